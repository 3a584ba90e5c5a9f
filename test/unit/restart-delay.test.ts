import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restartDelayMs } from '../../src/runtime/worker-slot.ts'

/** The pauses before each replacement of workers that were ready for this long. */
function delays(deaths: number, livedMs: number): number[] {
  let deathsInRow = 0
  return Array.from({ length: deaths }, () => {
    const next = restartDelayMs(deathsInRow, livedMs)
    deathsInRow = next.deathsInRow
    return next.delayMs
  })
}

test('the pause doubles from 0.1 s to 30 s', () => {
  assert.deepEqual(delays(11, 0), [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000])
  assert.equal(restartDelayMs(10_000, 0).delayMs, 30_000)
})

test('after a ready minute the pause begins at 0.1 s again', () => {
  assert.deepEqual(delays(3, 59_999), [100, 200, 400])
  assert.deepEqual(delays(3, 60_000), [100, 100, 100])
  assert.deepEqual(restartDelayMs(9, 60_000), { delayMs: 100, deathsInRow: 1 })
})
