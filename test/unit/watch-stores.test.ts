import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { type Watched, watchStores } from '../../internal/telemetry/watch-stores.ts'

const NOW = 1_767_225_600_000

function watching(own: Partial<Watched>) {
  const registry = new Registry()
  watchStores(registry, {
    stores: { database: { clockMs: async () => NOW } },
    databaseLoad: () => ({ inFlight: 0, connections: 6 }),
    now: () => NOW,
    ...own,
  })
  return async () => {
    const lines = (await registry.metrics()).split('\n').filter((line) => /^[a-z]/.test(line))
    return Object.fromEntries(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]))
  }
}

test('a reader sees how the stores are now, in the first response already', async () => {
  let ahead = 2_500
  const scrape = watching({
    stores: {
      database: { clockMs: async () => NOW + ahead },
      redis: { clockMs: async () => NOW - ahead },
    },
    databaseLoad: () => ({ inFlight: 9, connections: 6 }),
  })
  assert.deepEqual(await scrape(), {
    'store_up{store="database"}': 1,
    'store_up{store="redis"}': 1,
    'store_clock_skew_seconds{store="database"}': 2.5,
    'store_clock_skew_seconds{store="redis"}': -2.5,
    database_statements_in_flight: 9,
    database_connections_max: 6,
  })
  ahead = 0
  assert.equal((await scrape())['store_clock_skew_seconds{store="database"}'], 0)
})

test('a store that does not respond is down, and nothing is said of its clock', async () => {
  let away = false
  const scrape = watching({
    stores: {
      database: {
        clockMs: async () => {
          if (away) throw new Error('away')
          return NOW
        },
      },
    },
  })
  assert.equal((await scrape())['store_clock_skew_seconds{store="database"}'], 0)
  away = true
  const values = await scrape()
  assert.equal(values['store_up{store="database"}'], 0)
  assert.ok(!('store_clock_skew_seconds{store="database"}' in values))
  away = false
  assert.equal((await scrape())['store_up{store="database"}'], 1)
})

for (const [policy, unsafe] of [
  ['noeviction', 0],
  ['allkeys-lru', 1],
  ['volatile-ttl', 1],
  [undefined, 0],
] as const) {
  test(`maxmemory-policy ${policy} is ${unsafe === 1 ? 'unsafe' : 'fine'}`, async () => {
    const scrape = watching({ evictionPolicy: async () => policy })
    assert.equal((await scrape()).redis_eviction_unsafe, unsafe)
  })
}

test('many readers at the same time ask the store once', async () => {
  let asked = 0
  let response = () => {}
  const scrape = watching({
    stores: {
      database: {
        clockMs: () => {
          asked++
          return new Promise((resolve) => {
            response = () => resolve(NOW)
          })
        },
      },
    },
  })
  const readers = Array.from({ length: 20 }, scrape)
  await new Promise((resolve) => setImmediate(resolve))
  response()
  await Promise.all(readers)
  assert.equal(asked, 1)
})
