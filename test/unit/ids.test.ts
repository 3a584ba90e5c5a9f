import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validate, version } from 'uuid'
import { lowestUuidV7, uuidV7 } from '../../internal/core/ids.ts'

test('it is a UUID of version 7 whose first 48 bits are the time', () => {
  for (const ms of [0, 1, Date.UTC(2026, 0, 31), 2 ** 48 - 1]) {
    for (let n = 0; n < 100; n++) {
      const id = uuidV7(ms)
      assert.ok(validate(id), id)
      assert.equal(version(id), 7)
      assert.equal(Number.parseInt(id.replace('-', '').slice(0, 12), 16), ms)
    }
  }
})

test('those of one millisecond differ, in each digit that is random', () => {
  const ids = Array.from({ length: 10_000 }, () => uuidV7(1_790_000_000_000))
  assert.equal(new Set(ids).size, ids.length)
  const digits = ids.map((id) => id.replaceAll('-', ''))
  const valuesAt = (at: number) => new Set(digits.map((one) => one[at])).size
  for (let at = 0; at < 32; at++) assert.equal(valuesAt(at), at <= 12 ? 1 : at === 16 ? 4 : 16, `digit ${at}`)
})

test('the lowest of a time stands behind all earlier ones, and before all of that time', () => {
  const ms = Date.UTC(2026, 0, 31)
  const lowest = lowestUuidV7(ms)
  assert.ok(validate(lowestUuidV7(0)))
  for (let n = 0; n < 100; n++) {
    assert.ok(uuidV7(ms - 1) < lowest)
    assert.ok(uuidV7(ms) > lowest)
  }
  assert.equal(lowestUuidV7(-1), lowestUuidV7(0))
})
