import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { QuickHistogram } from '../../internal/telemetry/quick-metrics.ts'

const METHODS = ['GET', 'POST', undefined] as const
const CONFIG = {
  name: 'duration_seconds',
  help: 'A duration',
  labelNames: ['method', 'status'] as const,
  buckets: [0.1, 0.5, 1],
}

test('it shows what the histogram of prom-client shows, as text and as JSON', async () => {
  const observation = fc.tuple(
    fc.constantFrom(...METHODS),
    fc.constantFrom(200, 404, '200 '),
    fc.oneof(fc.constantFrom(...CONFIG.buckets), fc.double({ noNaN: true, noDefaultInfinity: true })),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(observation), async (observations) => {
      const [ours, theirs] = [new Registry(), new Registry()]
      const quick = new QuickHistogram({ ...CONFIG, registers: [ours] })
      const histogram = new Histogram({ ...CONFIG, registers: [theirs] })
      for (const [method, status, value] of observations) {
        const labels = { status, ...(method === undefined ? {} : { method }) }
        quick.add(labels, value)
        histogram.observe(labels, value)
      }
      assert.equal(await ours.metrics(), await theirs.metrics())
      // As it comes from another process. Exemplars are not kept.
      const wire = async (registry: Registry) =>
        JSON.parse(JSON.stringify(await registry.getMetricsAsJSON()).replaceAll(',"exemplar":null', ''))
      assert.deepEqual(await wire(ours), await wire(theirs))
    }),
    { numRuns: 300 },
  )
})

test('what would be counted without being shown is refused', () => {
  const quick = new QuickHistogram({ ...CONFIG, registers: [] })
  assert.throws(() => quick.observe({ method: 'GET', status: 200 }, 1), /call add\(\)/)
})
