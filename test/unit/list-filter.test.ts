import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCursor } from '../../internal/core/list-filter.ts'
import { parseLimit } from '../../internal/core/page-limit.ts'
import { ServiceError } from '../../internal/core/service-error.ts'

const ID = '0198c1c8-0000-7000-8000-000000000000'

const refused = (error: unknown) => error instanceof ServiceError && error.code === 'invalid_request'

test('a page has 20 entries unless asked for 1 to 100', () => {
  assert.equal(parseLimit(undefined), 20)
  for (const limit of [1, 2, 99, 100]) assert.equal(parseLimit(String(limit)), limit)
})

for (const limit of [
  '',
  '0',
  '-1',
  '101',
  '1000',
  '9'.repeat(400),
  '01',
  '+1',
  '1.0',
  '1e1',
  ' 1',
  '1\n',
  'ten',
  '１',
  ['1', '2'],
  [],
]) {
  test(`a limit of ${JSON.stringify(limit).slice(0, 20)} is refused`, () => {
    assert.throws(() => parseLimit(limit), refused)
  })
}

test('a cursor is the id of an order, or none', () => {
  assert.equal(parseCursor(ID), ID)
  assert.equal(parseCursor(undefined), undefined)
})

for (const cursor of ['', 'next', "' OR 1=1", `${ID} `, ID.replaceAll('-', ''), `{${ID}}`, [ID, ID]]) {
  test(`a cursor of ${JSON.stringify(cursor)} is refused`, () => {
    assert.throws(() => parseCursor(cursor), refused)
  })
}
