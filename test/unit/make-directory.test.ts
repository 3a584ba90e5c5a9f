import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from '../../internal/core/make-directory.ts'

test('a directory is made with those above it, and stays as it is when it is there', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oncekey-directory-'))
  t.after(() => rmSync(root, { recursive: true }))
  const path = join(root, 'a', 'b')
  makeDirectory(path, 0o700)
  makeDirectory(path, 0o755)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  writeFileSync(join(root, 'file'), '')
  assert.throws(() => makeDirectory(join(root, 'file', 'c')), /ENOTDIR/)
})

test('where none can be made it throws', () => {
  assert.throws(() => makeDirectory('/proc/oncekey/data'), /ENOENT|EROFS|EACCES/)
})
