import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyDrill } from '../support/proxy-drill.ts'

/** `npm run test:proxy` is the same with a thousand keys. */
const SMALL = { keys: 50, copies: 6, atOnce: 16, seed: 'small-1', leaseMs: 3_000, timeoutMs: 1_500 }

test('with faults on both sides, a killed sidecar and no Redis, the backend sees each key at most once', async () => {
  const report = await proxyDrill({ ...SMALL, patienceMs: 60_000 })
  assert.deepEqual(report.violations, [])
  const { answered, unknown, open, runs, refused, struck, tally } = report
  // 50 in the storm, 5 while a sidecar is killed, 5 around an outage of Redis; 5 more are refused for good.
  assert.deepEqual([answered + unknown, open, refused], [60, 0, 10])
  assert.ok(runs <= 60 && runs >= answered, `${runs} runs, ${answered} keys with a response`)
  // A run in which nothing went wrong, or nothing right, says nothing.
  assert.ok(answered > 0 && unknown > 0 && tally.lost > 0, JSON.stringify(report))
  for (const { cut, reset } of [struck.before, struck.behind])
    assert.ok(cut + reset > 0, JSON.stringify(struck))
})

test('sidecars that free a key whose outcome nobody knows are found out', async () => {
  const { violations } = await proxyDrill({ ...SMALL, keys: 2, patienceMs: 2_000, sabotage: 'release' })
  assert.match(violations.join('\n'), /: the backend has run it \d+ times/)
})
