import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOutage, nothingHappened } from '../../internal/database/outage.ts'

test('a Citus coordinator that ends is an outage of unknown effect; another internal error is not an outage', () => {
  const internal = (message: string) => Object.assign(new Error(message), { code: 'XX000' })
  const ends = internal('postmaster was shut down, exiting')
  assert.deepEqual([isOutage(ends), nothingHappened(ends)], [true, false])
  assert.equal(isOutage(internal('cache lookup failed for type 7')), false)
})
