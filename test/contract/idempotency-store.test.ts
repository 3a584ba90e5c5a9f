import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ServiceError } from '../../internal/core/service-error.ts'
import { openDatabase } from '../../internal/database/database.ts'
import { openEmbedded } from '../../internal/database/embedded.ts'
import { connectRedis } from '../../internal/database/redis.ts'
import type { IdempotencyStore } from '../../internal/idempotency/store.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { connected } from '../support/redis-ready.ts'
import { startPostgres, startRedis, type ThrowawayServer } from '../support/servers.ts'
import { idempotencyStoreContract } from './idempotency-store.ts'
import { onPostgres } from './on-postgres.ts'
import { keysOnRedis } from './on-redis.ts'

idempotencyStoreContract('Redis Cluster', async () => {
  const cluster = await startRedisCluster({ masters: 3 })
  const redis = await connected(connectRedis(cluster.url))
  return keysOnRedis(redis, async () => {
    await redis.close()
    await cluster.stop()
  })
})

idempotencyStoreContract('embedded database', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey store '))
  const database = await openEmbedded(directory)
  return await onPostgres(database, async () => {
    await database.close()
    rmSync(directory, { recursive: true })
  })
})

/** Every verb responds with the typed error within the deadline. */
async function refusesInTime(store: IdempotencyStore, deadlineMs: number): Promise<void> {
  const id = { client: 'acme', scope: 'POST /orders', key: randomUUID() }
  const token = randomBytes(16).toString('hex')
  const response = { status: 201, headers: {}, body: Buffer.from('x') }
  const verbs: (() => Promise<unknown>)[] = [
    () => store.claim(id, 'a'.repeat(64), token, 1000),
    () => store.dispatch(id, token),
    () => store.renew(id, token, 1000),
    () => store.resolve(id, token, response, { by: 'jane' }),
    () => store.complete(id, token, response),
    () => store.release(id, token, 'not_executed'),
  ]
  for (const verb of verbs) {
    const startedMs = Date.now()
    await assert.rejects(
      verb(),
      (error) => error instanceof ServiceError && error.code === 'store_unavailable',
    )
    assert.ok(Date.now() - startedMs < deadlineMs, `responded after ${Date.now() - startedMs} ms`)
  }
}

async function takesAClaim(store: IdempotencyStore): Promise<void> {
  const id = { client: 'acme', scope: 's', key: 'k' }
  const claim = await store.claim(id, 'a'.repeat(64), randomBytes(16).toString('hex'), 1000)
  assert.equal(claim.outcome, 'acquired')
}

/** Hanging, back, and gone. */
async function refusesWhileAway(
  server: ThrowawayServer,
  store: IdempotencyStore,
  deadlineMs: number,
  back?: () => Promise<unknown>,
): Promise<void> {
  server.pause()
  await refusesInTime(store, deadlineMs)
  server.resume()
  await back?.()
  await takesAClaim(store)
  await server.kill()
  await refusesInTime(store, deadlineMs)
}

test('Redis: hanging or gone, every verb is refused within its deadline, and works again after', async (t) => {
  const server = await startRedis()
  const redis = await connected(connectRedis(server.url, { deadlineMs: 300 }))
  const { store, close } = keysOnRedis(redis, async () => {
    await redis.close()
    await server.stop()
  })
  t.after(close)
  await refusesWhileAway(server, store, 500, () => connected(redis))
})

test('PostgreSQL: hanging or gone, every verb is refused within its deadline, and works again after', async (t) => {
  const server = await startPostgres()
  const database = openDatabase(server.url, { deadlineMs: 400 })
  const { store, close } = await onPostgres(database, async () => {
    await database.close()
    await server.stop()
  })
  t.after(close)
  await refusesWhileAway(server, store, 700)
})
