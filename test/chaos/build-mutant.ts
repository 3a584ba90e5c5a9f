import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { atProcessEnd } from '../support/process-end.ts'
import type { Patch } from './sabotage.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** First in the program of every copy that was changed: it must not run in production. */
const GUARD = `
if (process.env.NODE_ENV === 'production') {
  console.error('oncekey: this copy was changed for a test; it does not start in production')
  process.exit(1)
}
`

const directories: string[] = []
atProcessEnd(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** The files that the patches change, as they are then. Throws when a patch does not fit exactly once. */
export function patchedFiles(patches: readonly Patch[], root = ROOT): { file: string; text: string }[] {
  const texts = new Map<string, string>()
  for (const { file, find, replace } of patches) {
    const text = texts.get(file) ?? readFileSync(join(root, file), 'utf8')
    const count = text.split(find).length - 1
    if (count !== 1) throw new Error(`${file} has this ${count} times instead of once: ${find}`)
    texts.set(
      file,
      text.replace(find, () => replace),
    )
  }
  return [...texts].map(([file, text]) => ({ file, text }))
}

/**
 * A copy of the built product with the patches made, in a directory that goes with this process; returns its
 * program. The product itself has no such switch. Without patches it is the product as it is now, whatever is edited
 * while the run goes on. `root`: the clone of another version, which is built.
 */
export function buildMutant(patches: readonly Patch[] = [], root = ROOT): string {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-planted-'))
  directories.push(directory)
  for (const name of ['dist', 'sql', 'package.json']) {
    cpSync(join(root, name), join(directory, name), { recursive: true })
  }
  symlinkSync(resolve(root, 'node_modules'), join(directory, 'node_modules'))
  const program = join(directory, 'src/oncekey.js')
  mkdirSync(dirname(program))
  const [first, ...rest] = readFileSync(join(root, 'src/oncekey.js'), 'utf8').split('\n')
  writeFileSync(program, [first, ...(patches.length > 0 ? [GUARD] : []), ...rest].join('\n'))
  for (const { file, text } of patchedFiles(patches, root)) {
    if (file.endsWith('.ts')) compile(directory, file, text)
    else writeFileSync(join(directory, file.startsWith('sql/') ? file : `dist/${file}`), text)
  }
  return program
}

/** This one file, without a look at the types of the others. */
function compile(directory: string, file: string, text: string): void {
  const source = join(directory, 'planted', file)
  mkdirSync(dirname(source), { recursive: true })
  writeFileSync(source, text)
  writeFileSync(
    join(directory, 'planted/tsconfig.json'),
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: {
        noCheck: true,
        noResolve: true,
        declaration: false,
        sourceMap: false,
        types: [],
        rootDir: '.',
        outDir: '../dist',
      },
      files: [file],
      include: [],
    }),
  )
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [compiler, '-p', join(directory, 'planted')], { stdio: 'pipe' })
}
