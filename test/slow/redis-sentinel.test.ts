import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../internal/core/service-error.ts'
import { connectRedis } from '../../internal/database/redis.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import { checkRedis } from '../../src/cli/check-redis.ts'
import { connected } from '../support/redis-ready.ts'
import { startSentinels } from '../support/redis-sentinel.ts'
import { startRedis } from '../support/servers.ts'

const BACK_MS = 30_000

test('the primary dies and a sentinel hangs: the connection still finds the new primary', async (t) => {
  const { url, primary, replica, sentinels, stop } = await startSentinels()
  t.after(() => stop())
  const redis = await connected(connectRedis(url))
  t.after(() => redis.close())
  const address = async () => (await redis.servers().catch(() => [])).map((server) => server.address).join()
  assert.equal(await address(), new URL(primary.url).host)
  // The sentinel that is asked first.
  sentinels[0]?.pause()
  await primary.kill()
  const deadline = Date.now() + BACK_MS
  while ((await address()) !== new URL(replica.url).host) {
    assert.ok(Date.now() < deadline, 'the connection does not come back')
    await sleep(20)
  }
})

test('the doctor checks with each sentinel that there are enough of them to fail over', async (t) => {
  const { url, sentinels, stop } = await startSentinels()
  t.after(() => stop())
  const sentinelLines = async () =>
    (await checkRedis({ redisUrl: url, redisPrefix: 'test-doctor', databaseUrl: undefined, dataDir: '' }))
      .filter(({ check }) => check === 'redis sentinel')
      .map(({ ok }) => ok)
  assert.deepEqual(await sentinelLines(), [true, true, true])
  await Promise.all([sentinels[0]?.kill(), sentinels[1]?.kill()])
  const deadline = Date.now() + BACK_MS
  // The third sentinel needs a moment to notice.
  while ((await sentinelLines()).includes(true)) {
    assert.ok(Date.now() < deadline, 'one sentinel of three cannot fail over')
    await sleep(100)
  }
})

test('with min-replicas-to-write a primary without its replica refuses claims: an outage, not a lock that may be lost', async (t) => {
  const primary = await startRedis({ settings: ['--min-replicas-to-write', '1'] })
  t.after(() => primary.kill())
  const { port } = new URL(primary.url)
  const replica = await startRedis({ settings: ['--replicaof', '127.0.0.1', port] })
  t.after(() => replica.kill())
  const redis = await connected(connectRedis(primary.url))
  t.after(() => redis.close())
  const store = redisStore(redis, { ttlMs: 60_000 })
  const claim = (key: string) =>
    store.claim({ client: 'acme', scope: 's', key }, 'a'.repeat(64), '0'.repeat(32), 1_000)
  const deadline = Date.now() + BACK_MS
  for (let n = 0; (await claim(`copied-${n}`).catch(() => undefined))?.outcome !== 'acquired'; n++) {
    assert.ok(Date.now() < deadline, 'the replica does not copy')
    await sleep(20)
  }
  await replica.kill()
  // Until the primary notices, it accepts one or two more claims.
  await sleep(100)
  await assert.rejects(
    claim('alone'),
    (error) => error instanceof ServiceError && error.code === 'store_unavailable' && error.effect === 'none',
  )
})
