// What all three peers have in common, each piece as its documentation shows it.
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import { Idempotency } from '@node-idempotency/core'
import { RedisStorageAdapter } from '@node-idempotency/storage-adapter-redis'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'

const { HMAC_SECRET = '', DATABASE_URL = '', QUOTA = '', WINDOW_S = '' } = process.env
export const { REDIS_URL = '' } = process.env
const TOLERANCE_S = 300

/** Whether X-Signature is `t=<unix seconds>,v1=<hex>` over method, target, client, key and the bytes of the body. */
export function isSigned({ method, target, client, key, signature = '', raw }) {
  const [, time, hex] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(signature) ?? []
  if (hex === undefined || Math.abs(Date.now() / 1_000 - Number(time)) > TOLERANCE_S) return false
  const digest = createHash('sha256').update(raw).digest('hex')
  const mac = createHmac('sha256', HMAC_SECRET)
    .update(`v1\n${time}\n${method}\n${target}\n${client}\n${key}\n${digest}`)
    .digest()
  return timingSafeEqual(mac, Buffer.from(hex, 'hex'))
}

const limiter = new RateLimiterRedis({
  storeClient: new Redis(REDIS_URL, { enableOfflineQueue: false, lazyConnect: true }),
  keyPrefix: 'limit',
  points: Number(QUOTA),
  duration: Number(WINDOW_S),
  // As its documentation advises: who is over the limit is refused without Redis.
  inMemoryBlockOnConsumed: Number(QUOTA) + 1,
})

/** Uses one of the client's quota; the headers say where it stands. */
export async function consume(client) {
  try {
    return { allowed: true, headers: limitHeaders(await limiter.consume(client)) }
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused
    return { allowed: false, headers: limitHeaders(refused) }
  }
}

function limitHeaders({ remainingPoints, msBeforeNext, consumedPoints }) {
  const resetS = Math.ceil(msBeforeNext / 1_000)
  return {
    'X-RateLimit-Limit': QUOTA,
    'X-RateLimit-Remaining': String(remainingPoints),
    'X-RateLimit-Reset': String(Math.floor(Date.now() / 1_000) + resetS),
    ...(consumedPoints > Number(QUOTA) ? { 'Retry-After': String(resetS) } : {}),
  }
}

const sql = postgres(DATABASE_URL, { onnotice: () => {} })

/** The order under its key: a new one, or the one that is there. */
export async function placeOrder(client, key, { user_id, item, amount }) {
  const [placed] = await sql`
    INSERT INTO orders (client, id, idempotency_key, user_id, item, amount)
    VALUES (${client}, ${randomUUID()}, ${key}, ${user_id}, ${item}, ${amount})
    ON CONFLICT (client, idempotency_key) DO NOTHING RETURNING *`
  const [row] =
    placed === undefined
      ? await sql`SELECT * FROM orders WHERE client = ${client} AND idempotency_key = ${key}`
      : [placed]
  const { id, idempotency_key, created_at } = row
  return { order: { id, user_id, item, amount: Number(row.amount), idempotency_key, created_at } }
}

export function isOrder(body) {
  const { user_id, item, amount } = body ?? {}
  return typeof user_id === 'string' && typeof item === 'string' && Number(amount) > 0
}

/** Of Koa and Hono. */
export async function openIdempotency() {
  const storage = new RedisStorageAdapter({ url: REDIS_URL })
  await storage.connect()
  return new Idempotency(storage, { enforceIdempotency: true })
}

export async function openStores() {
  await limiter.client.connect()
  await sql`
    CREATE TABLE IF NOT EXISTS orders (client text NOT NULL, id uuid NOT NULL, idempotency_key text NOT NULL,
      user_id text NOT NULL, item text NOT NULL, amount numeric(17, 2) NOT NULL CHECK (amount > 0),
      created_at timestamptz(3) NOT NULL DEFAULT now(), PRIMARY KEY (client, id), UNIQUE (client, idempotency_key))`
}

export function sayReady(port) {
  process.once('SIGTERM', () => process.exit(0))
  console.log(`a peer is ready on http://127.0.0.1:${port} `)
}
