import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CODES, readDocument, withTable } from '../support/errors-document.ts'

test('docs/errors.md has the catalogue of errors; npm run list-errors writes it', () => {
  const document = readDocument()
  assert.equal(withTable(document), document)
  assert.ok(CODES.length > 20)
  for (const code of CODES) assert.ok(document.includes(` | \`${code}\` | `), code)
})
