import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BUCKET_MS,
  BUCKETS,
  type NodeReport,
  nodeReport,
  OUTCOMES,
} from '../../internal/console/node-report.ts'
import { overview } from '../../internal/console/overview.ts'
import { Traffic } from '../../internal/console/traffic.ts'

/** A process whose clock is moved by hand, beginning at a full bucket. */
function world() {
  let nowMs = 1_000 * BUCKET_MS
  const traffic = new Traffic(() => nowMs)
  return {
    traffic,
    pass: (ms: number) => {
      nowMs += ms
    },
    now: () => nowMs,
    once: (outcome: (typeof OUTCOMES)[number], client?: string) => {
      const request = {}
      traffic.begin(request, () => undefined)
      traffic.end(request, outcome, client)
    },
  }
}

function node(report: Partial<NodeReport>, silentMs = 0) {
  const whole = nodeReport.parse({
    version: '1',
    uptimeMs: 1,
    requestsPerS: 0,
    eventLoopMs: 0,
    residentBytes: 1,
    inFlight: 0,
    ...report,
  })
  return { id: 'a', silentMs, report: whole }
}

const at = (outcome: (typeof OUTCOMES)[number]) => OUTCOMES.indexOf(outcome)

test('requests are counted by outcome in buckets, and those of two nodes add up', () => {
  const { traffic, pass, now, once } = world()
  once('answered')
  once('replayed')
  pass(BUCKET_MS)
  once('answered')
  const { buckets } = overview([node(traffic.report()), node(traffic.report())], now())
  assert.equal(buckets.length, BUCKETS)
  assert.equal(buckets.at(-1)?.[at('answered')], 2)
  assert.equal(buckets.at(-2)?.[at('answered')], 2)
  assert.equal(buckets.at(-2)?.[at('replayed')], 2)
  assert.equal(buckets.at(-1)?.[at('replayed')], 0)
})

test('what is older than a quarter of an hour is forgotten, whatever comes in between', () => {
  const { traffic, pass, now, once } = world()
  once('failed')
  for (let i = 0; i < BUCKETS - 1; i++) {
    pass(BUCKET_MS)
    once('answered')
  }
  assert.equal(traffic.report().buckets.length, BUCKETS)
  pass(BUCKET_MS)
  assert.equal(traffic.report().buckets.length, BUCKETS - 1)
  const { buckets } = overview([node(traffic.report())], now())
  assert.equal(
    buckets.reduce((sum, counts) => sum + (counts[at('failed')] ?? 0), 0),
    0,
  )
})

test('the busiest clients of the last five minutes are reported, the busiest first', () => {
  const { traffic, pass, once } = world()
  for (let i = 0; i < 9; i++) once('answered', 'gone')
  pass(5 * 60_000)
  assert.deepEqual(traffic.report().clients, [])
  once('answered', 'calm')
  for (let i = 0; i < 3; i++) once(i === 0 ? 'limited' : 'answered', 'busy')
  once('refused')
  assert.deepEqual(traffic.report().clients, [
    { client: 'busy', requests: 3, limited: 1 },
    { client: 'calm', requests: 1, limited: 0 },
  ])
})

test('a flood of client names takes bounded memory, and a busy client is still counted', () => {
  const { traffic, once } = world()
  once('answered', 'busy')
  for (let i = 0; i < 5_000; i++) once('answered', `c${i}`)
  for (let i = 0; i < 9; i++) once('answered', 'busy')
  const { clients } = traffic.report()
  assert.deepEqual(clients[0], { client: 'busy', requests: 10, limited: 0 })
  assert.equal(clients.length, 12)
})

test('a key in flight is told with its age once it is held, and no more when the request has ended', () => {
  const { traffic, pass } = world()
  const lock = { client: 'a', scope: 'POST /orders', key: 'k', attempt: 1 }
  let held = false
  const request = {}
  traffic.begin(request, () => (held ? lock : undefined))
  pass(250)
  assert.deepEqual(traffic.report().locks, [])
  assert.equal(traffic.report().inFlight, 1)
  held = true
  assert.deepEqual(traffic.report().locks, [{ ...lock, ageMs: 250 }])
  traffic.end(request, 'answered', 'a')
  assert.deepEqual([traffic.report().locks, traffic.report().inFlight], [[], 0])
})

test('the report of the busiest minute and the longest names fits into its row', () => {
  const { traffic, pass, once } = world()
  for (let i = 0; i < BUCKETS; i++) {
    pass(BUCKET_MS)
    for (let c = 0; c < 20; c++) once('answered', `${c}`.padStart(64, 'c'))
  }
  for (let i = 0; i < 50; i++) {
    traffic.begin({}, () => ({
      client: 'c'.repeat(64),
      scope: 'POST /x'.padEnd(600),
      key: 'k'.repeat(255),
      attempt: 1,
    }))
  }
  assert.ok(JSON.stringify(traffic.report()).length < 65_536)
})

test('a silent node does not count as live, but what it did stays in the plot', () => {
  const { traffic, now, once } = world()
  once('answered')
  const seen = overview(
    [
      node({ ...traffic.report(), requestsPerS: 5, circuits: { g: 'open' } }, 60_000),
      node({ requestsPerS: 2 }),
    ],
    now(),
  )
  assert.equal(seen.requestsPerS, 2)
  assert.equal(seen.circuit, undefined)
  assert.deepEqual(
    seen.nodes.map(({ live }) => live),
    [false, true],
  )
  assert.equal(seen.buckets.at(-1)?.[at('answered')], 1)
})

test('the breaker is shown as that of the node that is worst off', () => {
  const circuits = ['closed', 'open', 'half_open'].map((state) => node({ circuits: { gateway: state } }))
  assert.equal(overview(circuits, 0).circuit, 'open')
})

test('a report of another version that cannot be read is a node all the same', () => {
  const seen = overview([{ id: 'b', silentMs: 10, report: undefined }], 0)
  assert.deepEqual([seen.nodes.length, seen.nodes[0]?.live, seen.nodes[0]?.version], [1, true, undefined])
})
