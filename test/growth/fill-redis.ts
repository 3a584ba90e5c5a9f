import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { connectRedis } from '../../internal/database/redis.ts'
import { redisNames } from '../../internal/idempotency/redis-names.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import { connected } from '../support/redis-ready.ts'
import { type FilledOrder, filledOrder } from './filled-order.ts'

const SCOPE = 'POST /orders'
const TOKEN = '0123456789abcdef'.repeat(2)
const TTL_MS = 86_400_000
const CHUNK = 500
const IN_FLIGHT = 4

/** What complete.lua leaves behind, many at a time. ARGV: fingerprint, headers, body of each key. */
const FILL = `
for i, key in ipairs(KEYS) do
  local at = 3 * i - 2
  redis.call('SET', key, cmsgpack.pack(ARGV[at], '${TOKEN}', 1, '', '201', ARGV[at + 1], ARGV[at + 2]), 'PX', ${TTL_MS})
end`

/**
 * A record for each of the orders `from` to `to` - 1. Returns the bytes of memory for each, and how many of them are
 * the responses. Compares one with what the real store writes, first.
 */
export async function fillRedis(url: string, from: number, to: number, onDone: (done: number) => void) {
  const redis = new Redis(url)
  try {
    await sameAsStored(redis, url)
    const before = await usedMemory(redis)
    let next = from
    let responseBytes = 0
    const worker = async () => {
      for (let start = next; start < to; start = next) {
        next = Math.min(start + CHUNK, to)
        const orders = Array.from({ length: next - start }, (_, n) => filledOrder(start + n))
        for (const { response } of orders)
          responseBytes += response.body.length + JSON.stringify(response.headers).length
        await fill(redis, orders)
        onDone(next - from)
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
    const keys = to - from
    return { bytes: ((await usedMemory(redis)) - before) / keys, responseBytes: responseBytes / keys }
  } finally {
    redis.disconnect()
  }
}

async function fill(redis: Redis, orders: readonly FilledOrder[]): Promise<void> {
  const names = redisNames()
  const keys = orders.map(({ client, key }) => names.record({ client, scope: SCOPE, key }))
  const args = orders.flatMap(({ fingerprint, response }) => [
    fingerprint,
    JSON.stringify(response.headers),
    response.body,
  ])
  await redis.eval(FILL, keys.length, ...keys, ...args)
}

async function sameAsStored(redis: Redis, url: string): Promise<void> {
  const connection = await connected(connectRedis(url))
  try {
    const order = filledOrder(0)
    const id = { client: order.client, scope: SCOPE, key: order.key }
    const store = redisStore(connection, { ttlMs: TTL_MS })
    await store.claim(id, order.fingerprint, TOKEN, 1_000)
    await store.complete(id, TOKEN, { ...order.response, body: Buffer.from(order.response.body) })
    const name = redisNames().record(id)
    const stored = await redis.getBuffer(name)
    await fill(redis, [order])
    assert.deepEqual(await redis.getBuffer(name), stored, 'the store keeps records in another way')
    await redis.del(name)
  } finally {
    await connection.close()
  }
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1])
}
