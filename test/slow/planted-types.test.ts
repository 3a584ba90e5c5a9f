import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { patchedFiles } from '../chaos/build-mutant.ts'
import { SABOTAGES } from '../chaos/sabotages.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

test('the planted bugs use names that the product has', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-planted-types-'))
  t.after(() => rmSync(directory, { recursive: true }))
  for (const name of ['src', 'internal', 'tsconfig.json', 'package.json'])
    cpSync(join(ROOT, name), join(directory, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  // Chaos runs compile a planted file without its types. Here all of them lie beside the originals, for one look.
  let count = 0
  for (const [name, { patches }] of Object.entries(SABOTAGES)) {
    for (const { file, text } of patchedFiles(patches)) {
      if (!file.endsWith('.ts')) continue
      writeFileSync(join(directory, file.replace(/\.ts$/, `.${name}.ts`)), text)
      count++
    }
  }
  assert.ok(count >= 25, `${count} files`)
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  // What a bug leaves out may leave something unused.
  const args = ['--noEmit', '-p', '.', '--noUnusedLocals', 'false', '--noUnusedParameters', 'false']
  const { stdout, status } = spawnSync(process.execPath, [compiler, ...args], {
    cwd: directory,
    encoding: 'utf8',
  })
  assert.equal(stdout, '')
  assert.equal(status, 0)
})
