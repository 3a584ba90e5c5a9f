import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isFull } from '../support/tier.ts'
import { openProxyWorld } from './proxy-world.ts'
import { reportText } from './report-text.ts'
import { runFuzz } from './run-fuzz.ts'
import { openServiceWorld } from './service-world.ts'

/** Always the same cases here; `npm run fuzz` takes new ones each time. */
const SEED = 'ci'
const DURATION_MS = isFull ? 8_000 : 2_000

describe('no request, right or wrong, gets 500, breaks a process or has an effect that nobody signed for', {
  concurrency: true,
}, () => {
  for (const store of ['redis', 'postgres'] as const) {
    for (const [target, open] of [
      ['service', openServiceWorld],
      ['sidecar', openProxyWorld],
    ] as const) {
      test(`${target}, keys in ${store}`, async (t) => {
        const world = await open(store)
        t.after(() => world.close())
        const report = await runFuzz(world, { seed: SEED, durationMs: DURATION_MS, connections: 32 })
        const text = reportText(world.name, report)
        assert.deepEqual(report.findings.length, 0, text)
        assert.ok(report.cases > 30, text)
        t.diagnostic(text)
      })
    }
  }
})
