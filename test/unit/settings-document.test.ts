import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SETTINGS } from '../../src/config/settings.ts'
import { readDocument, withTable } from '../support/settings-document.ts'

test('docs/settings.md has the table of settings; npm run list-settings writes it', () => {
  const document = readDocument()
  assert.equal(withTable(document), document)
  for (const { name } of Object.values(SETTINGS)) assert.ok(document.includes(`\n| \`${name}\` | `), name)
})
