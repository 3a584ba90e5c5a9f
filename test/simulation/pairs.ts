import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFull } from '../support/tier.ts'
import { singlesAndPairs, strikesText } from './enumerate.ts'
import type { Mode } from './node.ts'

/** Has no common divisor with the number of faults, so that each of them is in the sample. */
const NTH_PAIR = isFull ? 1 : 17

/** Tests every fault at every call, and every pair of them; says how many that were. */
export function testSinglesAndPairs(mode: Mode): void {
  test(`${mode}: every fault at every call, and ${isFull ? 'every two' : 'a sample of every two'}, leave all promises kept`, async (t) => {
    const counts = { 0: 0, 1: 0, 2: 0 }
    for await (const { strikes, run } of singlesAndPairs(mode, undefined, NTH_PAIR)) {
      const { size } = strikes
      if (size === 0 || size === 1 || size === 2) counts[size]++
      assert.deepEqual(
        run.violations,
        [],
        `npm run simulate:faults -- --mode '${mode}' --strike '${strikesText(strikes)}'`,
      )
    }
    t.diagnostic(`${mode}: ${counts[1]} single faults and ${counts[2]} pairs`)
    assert.ok(counts[2] > 1_000 / NTH_PAIR, `only ${counts[2]} pairs`)
  })
}
