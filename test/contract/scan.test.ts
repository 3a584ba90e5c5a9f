import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectRedis } from '../../internal/database/redis.ts'
import { redisRecords } from '../../internal/idempotency/redis-records.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { connected } from '../support/redis-ready.ts'

test('the keys and logs of every master of a cluster are listed', { timeout: 120_000 }, async (t) => {
  const cluster = await startRedisCluster({ masters: 2 })
  t.after(() => cluster.stop())
  const redis = await connected(connectRedis(cluster.url))
  t.after(() => redis.close())
  const store = redisStore(redis, { ttlMs: 60_000 })
  const records = redisRecords(redis, { ttlMs: 60_000 })
  const clients = Array.from({ length: 20 }, (_, i) => `client-${i}`)
  for (const client of clients) {
    for (const key of ['resolved', 'unknown']) {
      const id = { client, scope: 'POST /orders', key }
      await store.claim(id, 'a'.repeat(64), '0'.repeat(32), 0)
      await store.dispatch(id, '0'.repeat(32))
      const response = { status: 201, headers: {}, body: Buffer.from('{}') }
      if (key === 'resolved') await store.resolve(id, '0'.repeat(32), response, { by: 'jane' })
    }
  }
  const listed = new Set<string>()
  for await (const { id } of records.list({ state: 'unknown' })) listed.add(`${id.client} ${id.key}`)
  assert.deepEqual([...listed].sort(), clients.map((client) => `${client} unknown`).sort())
  const logged: string[] = []
  for await (const { client } of records.log(undefined)) logged.push(client)
  assert.deepEqual([...new Set(logged)].sort(), [...clients].sort())
})
