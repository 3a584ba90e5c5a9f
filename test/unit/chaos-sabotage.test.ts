import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { retryDelayMs } from '../../internal/events/retry-schedule.ts'
import { patchedFiles } from '../chaos/build-mutant.ts'
import { applies } from '../chaos/fault-kinds.ts'
import { quickPauses, RETRIES } from '../chaos/quick-pauses.ts'
import type { Patch } from '../chaos/sabotage.ts'
import { SABOTAGES } from '../chaos/sabotages.ts'

/** Each place is in the product, once. */
function assertFits(patches: readonly Patch[]): void {
  for (const { file, text } of patchedFiles(patches)) assert.ok(text !== '', file)
}

test('the pauses of webhooks can be shortened by patches, and their number is the same', () => {
  const patches = quickPauses('events')
  assert.equal(patches.length, 3)
  assertFits(patches)
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
      assertFits(patches)
      for (const kind of faults) assert.ok(applies(kind, mode, store), kind)
    })
  }
})
