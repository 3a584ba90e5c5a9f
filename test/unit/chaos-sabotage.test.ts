import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { retryDelayMs } from '../../internal/events/retry-schedule.ts'
import { patched } from '../chaos/build-mutant.ts'
import { applies } from '../chaos/fault-kinds.ts'
import { quickPauses, RETRIES } from '../chaos/quick-pauses.ts'
import { SABOTAGES } from '../chaos/sabotages.ts'

test('the pauses of webhooks can be made short in the product as it is, and are as many', () => {
  const patches = quickPauses('events')
  assert.equal(patches.length, 3)
  for (const file of new Set(patches.map((one) => one.file))) {
    assert.ok(
      patched(
        file,
        patches.filter((one) => one.file === file),
      ) !== '',
    )
  }
  assert.notEqual(retryDelayMs(RETRIES - 1, 0), undefined)
  assert.equal(retryDelayMs(RETRIES, 0), undefined)
  assert.deepEqual(quickPauses('orders'), [])
})

describe('the bugs that chaos runs must find', () => {
  test('are at least 15', () => {
    assert.ok(Object.keys(SABOTAGES).length >= 15)
  })

  for (const [name, { patches, mode, store, faults }] of Object.entries(SABOTAGES)) {
    test(`${name} can be planted into the product as it is`, () => {
      for (const file of new Set(patches.map((one) => one.file))) {
        assert.ok(
          patched(
            file,
            patches.filter((one) => one.file === file),
          ) !== '',
        )
      }
      for (const kind of faults) assert.ok(applies(kind, mode, store), kind)
    })
  }
})
