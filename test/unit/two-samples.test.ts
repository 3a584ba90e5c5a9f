import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { medianDifference, quantile, welch } from '../support/two-samples.ts'

const random = seeded('two-samples')
/** Skewed, as times are. */
const sample = (shift: number) => Array.from({ length: 2_000 }, () => 100 + shift - 20 * Math.log(random()))

test('a difference is found, and none where there is none', () => {
  const [a, b, slower] = [sample(0), sample(0), sample(6)]
  const same = medianDifference(a, b, random)
  assert.ok(same.from < 0 && same.to > 0, JSON.stringify(same))
  const other = medianDifference(slower, b, random)
  assert.ok(other.from > 0 && other.from < 6 && other.to > 6, JSON.stringify(other))
  assert.ok(welch(a, b).p > 0.01)
  assert.ok(welch(slower, b).p < 0.000_1)
})

test('known values', () => {
  assert.equal(quantile([5, 1, 4, 2, 3], 0.5), 3)
  // Worked by hand: means 3 and 5, variances 2.5, five values each.
  const { t, p } = welch([1, 2, 3, 4, 5], [3, 4, 5, 6, 7])
  assert.ok(Math.abs(t + 2) < 1e-9, String(t))
  assert.ok(Math.abs(p - 0.0455) < 0.0001, String(p))
})
