import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gauge } from 'prom-client'
import { aggregate, remains, type Snapshot, snapshotSchema } from '../../internal/telemetry/aggregate.ts'
import { createMetrics } from '../../internal/telemetry/metrics.ts'

type Metrics = ReturnType<typeof createMetrics>

async function snapshot(fill: (metrics: Metrics) => void): Promise<Snapshot> {
  const metrics = createMetrics()
  fill(metrics)
  return snapshotSchema.parse(await metrics.registry.getMetricsAsJSON())
}

async function lines(snapshots: Snapshot[], name: string): Promise<string[]> {
  const text = await aggregate(snapshots).metrics()
  return text.split('\n').filter((line) => line.startsWith(name))
}

const observed = (seconds: number) => (metrics: Metrics) => {
  metrics.requestDuration.add({ method: 'GET', route: '/', status: 200 }, seconds)
  metrics.orders.inc()
  metrics.inFlight.requests = 2
}

test('counters, histograms and gauges of several processes are added up', async () => {
  const both = [await snapshot(observed(0.002)), await snapshot(observed(3))]
  assert.deepEqual(await lines(both, 'orders_placed_total'), ['orders_placed_total 2'])
  assert.deepEqual(await lines(both, 'http_requests_in_flight'), ['http_requests_in_flight 4'])
  const labels = 'method="GET",route="/",status="200"'
  assert.deepEqual(await lines(both, 'http_request_duration_seconds_count'), [
    `http_request_duration_seconds_count{${labels}} 2`,
  ])
  const buckets = await lines(both, 'http_request_duration_seconds_bucket')
  assert.ok(buckets.includes(`http_request_duration_seconds_bucket{le="0.0025",${labels}} 1`), buckets.join())
  assert.ok(buckets.includes(`http_request_duration_seconds_bucket{le="+Inf",${labels}} 2`))
})

test('of the lag of event loops the worst counts, of the start the first', async () => {
  const process = (lag: number, start: number): Snapshot => [
    gauge('nodejs_eventloop_lag_p99_seconds', 'average', lag),
    gauge('process_start_time_seconds', 'omit', start),
  ]
  const both = [process(0.5, 1_000), process(0.1, 900)]
  assert.deepEqual(await lines(both, 'nodejs'), ['nodejs_eventloop_lag_p99_seconds 0.5'])
  assert.deepEqual(await lines(both, 'process'), ['process_start_time_seconds 900'])
})

test('a gauge that says how it is put together is put together so', async () => {
  const state = async (value: number) =>
    await snapshot(({ registry }) => {
      new Gauge({ name: 'state', help: 's', aggregator: 'max', registers: [registry] }).set(value)
    })
  assert.deepEqual(await lines([await state(2), await state(1)], 'state'), ['state 2'])
})

test('each name that one process tells is told of several', async () => {
  const one = await snapshot(() => {})
  const names = one.map(({ name }) => name).sort()
  const all = snapshotSchema.parse(await aggregate([one, one]).getMetricsAsJSON())
  assert.deepEqual(all.map(({ name }) => name).sort(), names)
})

test('what a process has counted remains when it has ended, its gauges do not', async () => {
  const dead = await snapshot(observed(1))
  const left = await remains([await remains([[], dead]), await snapshot(observed(1))])
  assert.deepEqual(await lines([left], 'orders_placed_total'), ['orders_placed_total 2'])
  assert.deepEqual(await lines([left], 'http_requests_in_flight'), [])
  const alive = await snapshot(observed(1))
  assert.deepEqual(await lines([left, alive], 'orders_placed_total'), ['orders_placed_total 3'])
  assert.deepEqual(await lines([left, alive], 'http_requests_in_flight'), ['http_requests_in_flight 2'])
  const count = await lines([left, alive], 'http_request_duration_seconds_count')
  assert.match(count.join(), / 3$/)
})

function gauge(name: string, aggregator: string, value: number): Snapshot[number] {
  return { name, help: name, type: 'gauge', aggregator, values: [{ labels: {}, value }] }
}
