import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import type * as embedded from '../../internal/database/embedded.ts'
import { ROOT } from '../support/installed-package.ts'

const FAST = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }

test('initial files that this version of PGlite cannot open are created again', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oncekey-initial-data-'))
  t.after(() => rmSync(root, { recursive: true }))
  cpSync(join(ROOT, 'dist'), join(root, 'dist'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')

  const file = join(root, 'dist/initial-data.br')
  const whole = brotliDecompressSync(readFileSync(file))
  const end = 4 + whole.readUInt32LE(0)
  const index: { pglite: string; files: [string, number, number][] } = JSON.parse(
    whole.toString('utf8', 4, end),
  )
  const control = index.files.find(([path]) => path === 'global/pg_control')
  assert.ok(control !== undefined)
  control[2] = 100
  index.pglite = 'another'
  const header = Buffer.from(JSON.stringify(index))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(header.length)
  writeFileSync(file, brotliCompressSync(Buffer.concat([length, header, whole.subarray(end)]), FAST))

  const { openEmbedded }: typeof embedded = await import(
    pathToFileURL(join(root, 'dist/internal/database/embedded.js')).href
  )
  const database = await openEmbedded(join(root, 'data'))
  assert.deepEqual(
    (await database.run((sql) => sql`SELECT 1 AS one`)).map(({ one }) => one),
    [1],
  )
  await database.close()
})
