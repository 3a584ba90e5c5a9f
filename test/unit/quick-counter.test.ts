import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Counter, Registry } from 'prom-client'
import { QuickCounter } from '../../internal/telemetry/quick-metrics.ts'

const CONFIG = { name: 'decisions_total', help: 'Decisions', labelNames: ['scope', 'decision'] as const }

test('it shows what the counter of prom-client shows, whenever it is read', async () => {
  const labels = fc.record(
    { scope: fc.constantFrom('client', 'ip'), decision: fc.constantFrom('allowed', 'refused') },
    { requiredKeys: ['decision'] },
  )
  const event = fc.oneof({ weight: 5, arbitrary: labels }, fc.constantFrom('text', 'json'))
  await fc.assert(
    fc.asyncProperty(fc.array(event), async (events) => {
      const [ours, theirs] = [new Registry(), new Registry()]
      const quick = new QuickCounter({ ...CONFIG, registers: [ours] })
      const counter = new Counter({ ...CONFIG, registers: [theirs] })
      for (const one of [...events, 'text', 'json']) {
        if (one === 'text') assert.equal(await ours.metrics(), await theirs.metrics())
        else if (one === 'json') {
          assert.deepEqual(await ours.getMetricsAsJSON(), await theirs.getMetricsAsJSON())
        } else if (typeof one === 'object') {
          quick.add(one)
          counter.inc(one)
        }
      }
    }),
    { numRuns: 100 },
  )
})
