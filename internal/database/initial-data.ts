import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync } from 'node:zlib'
import { z } from 'zod'
import { makeDirectory } from '../core/make-directory.ts'

/** Created by the build (src/make-initial-data.js). Two paths: this file runs from dist and, in tests, from the sources. */
const FILES = ['../../initial-data.br', '../../dist/initial-data.br']

const INDEX = z.object({
  /** The version of PGlite that created the files. */
  pglite: z.string(),
  /** Parents first. */
  directories: z.array(z.string()),
  /** Path, offset and size of each file. */
  files: z.array(z.tuple([z.string(), z.number(), z.number()])),
})

/**
 * Writes the files of an empty database to a new `directory`. 'current': they are of this version of PGlite; 'older': of
 * another version, so this one may not open them; 'none': the build created none. Throws when the disk is full.
 */
export function unpackInitialData(directory: string): 'current' | 'older' | 'none' {
  const file = FILES.map((name) => fileURLToPath(new URL(name, import.meta.url))).find(existsSync)
  if (file === undefined) return 'none'
  const whole = brotliDecompressSync(readFileSync(file))
  const start = 4 + whole.readUInt32LE(0)
  const index = INDEX.parse(JSON.parse(whole.toString('utf8', 4, start)))
  makeDirectory(directory, 0o700)
  for (const path of index.directories) mkdirSync(join(directory, path), { mode: 0o700 })
  for (const [path, at, size] of index.files) {
    writeFileSync(join(directory, path), whole.subarray(start + at, start + at + size), { mode: 0o600 })
  }
  return index.pglite === pgliteVersion() ? 'current' : 'older'
}

/** Reads package.json by path, because PGlite does not export it. */
function pgliteVersion(): string {
  const root = dirname(dirname(fileURLToPath(import.meta.resolve('@electric-sql/pglite'))))
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return z.object({ version: z.string() }).parse(manifest).version
}
