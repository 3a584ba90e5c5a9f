import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { newKey, orderBody, postOrder, type Reply, send } from '../support/order-client.ts'
import { met, startLoad, summary } from '../support/order-load.ts'
import { createDatabase, startRedis, type ThrowawayServer } from '../support/servers.ts'
import { type Service, type Settings, startService } from '../support/service.ts'
import { untilPlaced, wordOf } from '../support/until-placed.ts'

/** The promised response time while a store is unreachable. */
const RESPONSE_MS = 10_000
/** After the outage: shorter than the lease, so that no client waits for an expired lease. */
const RECOVERY_MS = 3_000
const LEASE_MS = 4_000
const COPIES = 20

describe('while Redis is unreachable', () => {
  const hangs = {
    begin: async (redis: ThrowawayServer) => redis.pause(),
    end: async (redis: ThrowawayServer) => redis.resume(),
  }
  const outages = {
    hangs: { ...hangs, lastsMs: 0, limits: 'client=1000/60s' },
    // The claims are the first commands without a response; Redis runs them all when it continues.
    'hangs, without limits': { ...hangs, lastsMs: 0, limits: 'none' },
    'hangs for longer than a lease': { ...hangs, lastsMs: LEASE_MS + 2_500, limits: 'none' },
    'is gone': {
      begin: (redis: ThrowawayServer) => redis.kill(),
      end: (redis: ThrowawayServer) => redis.restart(),
      lastsMs: 0,
      limits: 'client=1000/60s',
    },
  }
  for (const [how, { begin, end, lastsMs, limits }] of Object.entries(outages)) {
    test(`and ${how}: 503 within 3 s, nothing is executed, and the refused keys work soon after`, async (t) => {
      const { redis, service, databaseUrl } = await setUp(t, {
        RATE_LIMITS: limits,
        IDEMPOTENCY_LEASE: `${LEASE_MS}ms`,
      })
      const before = newKey()
      const first = await postOrder(service.url, before, orderBody())
      assert.equal(first.status, 201)

      await begin(redis)
      const endMs = Date.now() + lastsMs
      const keys = Array.from({ length: COPIES }, newKey)
      const refused = await Promise.all(keys.map((key) => postOrder(service.url, key, orderBody())))
      refused.push(await postOrder(service.url, before, orderBody()))
      for (const reply of refused) {
        assert.equal(`${reply.status} ${reply.code}`, '503 store_unavailable')
        assert.match(String(reply.headers['retry-after']), /^[1-9]\d*$/)
        // Meanwhile the process counts the limits itself.
        assert.equal(reply.headers['x-ratelimit-limit'], limits === 'none' ? undefined : '1000')
        assert.ok(reply.ms < RESPONSE_MS, `the response took ${reply.ms} ms`)
      }
      const readiness = await send(`${service.url}/readyz`)
      assert.equal(`${readiness.status} ${readiness.code}`, '503 store_unavailable')
      assert.equal((await send(`${service.url}/livez`)).status, 200)
      assert.equal((await readOrdersAt(databaseUrl)).length, 1)

      await sleep(Math.max(0, endMs - Date.now()))
      await end(redis)
      const endedMs = Date.now()
      const placed = await Promise.all(
        keys.map((key) => untilPlaced(service.url, key, endedMs + RECOVERY_MS)),
      )
      const recoveredMs = Date.now() - endedMs
      assert.equal((await send(`${service.url}/readyz`)).status, 200)
      const again = await postOrder(service.url, before, orderBody())
      assert.equal(again.body.toString(), first.body.toString())
      const rows = await readOrdersAt(databaseUrl)
      assert.equal(rows.length, 1 + COPIES)
      for (const { body } of placed) assert.ok(rows.some(({ response_body }) => response_body.equals(body)))
      const slowest = Math.max(...refused.map(({ ms }) => ms))
      t.diagnostic(
        `refused within ${Math.round(slowest)} ms, all ${COPIES} keys worked after ${recoveredMs} ms`,
      )
    })
  }

  test('with repeated outages under load every key ends with one order and one response', async (t) => {
    const { redis, service, databaseUrl } = await setUp(t, { RATE_LIMITS: 'none' })
    const load = startLoad({ urls: [service.url] })
    await load.more(200)
    redis.pause()
    await sleep(1_500)
    redis.resume()
    await load.more(200)
    await redis.kill()
    await sleep(500)
    await redis.restart()
    await load.more(200)
    const history = await load.finish()
    checkOrders(await readOrdersAt(databaseUrl), history.sent)
    assert.ok(met(history, '503 store_unavailable') > 0, 'no request met the outage')
    assert.ok(history.slowestMs < RESPONSE_MS, `a response took ${history.slowestMs} ms`)
    t.diagnostic(summary(history))
  })
})

describe('while Redis is unreachable, with the keys in PostgreSQL, the rate limits', () => {
  /** One request more than the quota of 3. */
  const expected = {
    local: ['201', '201', '201', '429 rate_limited'],
    open: ['201', '201', '201', '201'],
    closed: Array<string>(4).fill('503 store_unavailable'),
  }
  for (const [setting, words] of Object.entries(expected)) {
    test(`${setting}: ${words.join(', ')}`, async (t) => {
      const { redis, service } = await setUp(t, {
        IDEMPOTENCY_STORE: 'postgres',
        RATE_LIMITS: 'client=3/60s',
        RATE_LIMIT_ON_OUTAGE: setting,
      })
      await redis.kill()
      const replies = await orders(service, words.length)
      assert.deepEqual(replies.map(wordOf), words)
      const counted = setting === 'local' ? '3' : undefined
      for (const reply of replies) {
        assert.equal(reply.headers['x-ratelimit-limit'], counted)
        if (reply.status !== 201) assert.match(String(reply.headers['retry-after']), /^[1-9]\d*$/)
      }
      // Redis counts again, with a fresh state, as soon as it is back.
      await redis.restart()
      await untilReady(service)
      assert.deepEqual((await orders(service, 4)).map(wordOf), ['201', '201', '201', '429 rate_limited'])
    })
  }
})

async function setUp(t: TestContext, settings: Settings) {
  const [redis, database] = await Promise.all([startRedis(), createDatabase()])
  const service = await startService({
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    LOG_LEVEL: 'warn',
    ...settings,
  })
  t.after(async () => {
    await service.kill()
    await Promise.all([redis.stop(), database.drop()])
  })
  await untilReady(service)
  return { redis, service, databaseUrl: database.url }
}

async function untilReady(service: Service): Promise<void> {
  const deadline = Date.now() + RECOVERY_MS
  while ((await send(`${service.url}/readyz`)).status !== 200) {
    assert.ok(Date.now() < deadline, 'the service is not ready')
    await sleep(50)
  }
}

async function orders(service: Service, count: number): Promise<Reply[]> {
  const replies: Reply[] = []
  for (let n = 0; n < count; n++) replies.push(await postOrder(service.url, newKey(), orderBody()))
  return replies
}
