import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { onRedis } from '../support/on-redis.ts'
import { met, startLoad, summary } from '../support/order-load.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { type Sentinels, startSentinels } from '../support/redis-sentinel.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'

/** After the failover: a request in flight has its deadline of 1 s, and the service polls every 200 ms. */
const SLACK_MS = 1_500
const PROMOTED_MS = 30_000
const POLL_MS = 10

/** Two services with this Redis, and partners that send orders to both continuously. */
async function underLoad(t: TestContext, redisUrl: string) {
  const database = await createDatabase()
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redisUrl,
    // Counted in Redis: for each client, and for all together.
    RATE_LIMITS: 'global=1000000/60s,ip=1000000/60s,client=1000000/60s',
  }
  const services = await Promise.all([startService(settings), startService(settings)])
  t.after(async () => {
    for (const service of services) await service.kill()
    await database.drop()
  })
  const load = startLoad({ urls: services.map(({ url }) => url), clients: 12, maxKeys: 20_000 })
  await load.more(200)
  assert.equal(met(load.history, '503 store_unavailable'), 0, summary(load.history))
  return {
    load,
    /** No order is lost or placed twice, every retry got the same bytes, and the errors ended with the failover. */
    async checkedAfter(startedMs: number, promotedMs: number) {
      await load.more(400)
      const history = await load.finish()
      checkOrders(await readOrdersAt(database.url), history.sent)
      const trouble = Math.max(0, history.lastTroubleMs - startedMs)
      t.diagnostic(
        `failover ${Math.round(promotedMs - startedMs)} ms, 503 until ${Math.round(trouble)} ms; ${summary(history)}`,
      )
      assert.ok(
        history.lastTroubleMs < promotedMs + SLACK_MS,
        `503 until ${Math.round(history.lastTroubleMs - promotedMs)} ms after the failover`,
      )
      return history
    },
  }
}

/** When a plain Redis client could write again, by performance.now(). */
async function writable(write: () => Promise<unknown>): Promise<number> {
  const deadline = Date.now() + PROMOTED_MS
  for (;;) {
    const reply = await write().catch(String)
    if (reply === 'OK') return performance.now()
    if (Date.now() > deadline) throw new Error(`there is no new primary: ${String(reply)}`)
    await sleep(POLL_MS)
  }
}

/** Writes to the primary that the sentinels report. */
async function writeViaSentinels({ sentinels }: Sentinels, old: string | undefined): Promise<unknown> {
  for (const { url } of sentinels) {
    const address = await onRedis(url, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'orders')
    const [host, port] = Array.isArray(address) ? address.map(String) : []
    const primary = `redis://${host}:${port}`
    if (primary !== old) return await onRedis(primary, 'SET', 'bare', '1')
  }
  return 'the old one'
}

describe('Redis fails over under load of two services', { timeout: 180_000 }, () => {
  test('a master of a cluster is killed: no order is lost, and 503 ends with the failover', async (t) => {
    const cluster = await startRedisCluster({ masters: 3, replicated: true })
    t.after(() => cluster.stop())
    const { load, checkedAfter } = await underLoad(t, cluster.url)
    const master = await cluster.masterOf('{default}')
    const replica = cluster.replicas[cluster.masters.indexOf(master)]
    assert.ok(replica)
    const startedMs = performance.now()
    await master.kill()
    const promotedMs = await writable(() => onRedis(replica.url, 'SET', '{default}', '1'))
    const { interim } = await checkedAfter(startedMs, promotedMs)
    assert.ok(met(load.history, '503 store_unavailable') > 0, 'the failover was noticed')
    assert.deepEqual(
      [...interim.keys()].filter(
        (word) => !['503 store_unavailable', '409 request_in_progress'].includes(word),
      ),
      [],
    )
  })

  test('the primary of sentinels is killed and comes back as a replica: no order is lost', async (t) => {
    const sentinels = await startSentinels()
    t.after(() => sentinels.stop())
    const { load, checkedAfter } = await underLoad(t, sentinels.url)
    const startedMs = performance.now()
    await sentinels.primary.kill()
    const promotedMs = await writable(() => writeViaSentinels(sentinels, sentinels.primary.url))
    await load.more(200)
    await sentinels.primary.restart()
    await checkedAfter(startedMs, promotedMs)
    assert.ok(met(load.history, '503 store_unavailable') > 0, 'the failover was noticed')
  })

  test('in a planned failover the connections leave the old primary at once, while it still accepts writes', async (t) => {
    const sentinels = await startSentinels()
    t.after(() => sentinels.stop())
    const { checkedAfter, load } = await underLoad(t, sentinels.url)
    const startedMs = performance.now()
    await sentinels.failOver()
    const promotedMs = await writable(() => writeViaSentinels(sentinels, sentinels.primary.url))
    const { finals } = load.history
    await load.more(200)
    const offset = async () => String(await onRedis(sentinels.primary.url, 'INFO', 'commandstats'))
    const calls = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await offset())?.[1])
    await sleep(SLACK_MS)
    const left = await calls()
    await load.more(200)
    assert.ok(load.history.finals > finals)
    assert.equal(await calls(), left, 'scripts still run on the old primary')
    await checkedAfter(startedMs, promotedMs)
  })
})
