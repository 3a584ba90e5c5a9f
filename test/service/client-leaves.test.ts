import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { type OrderRow, readOrdersAt } from '../support/check-orders.ts'
import { holdOrders } from '../support/hold-orders.ts'
import { newKey, orderBody, orderHeaders, postOrder } from '../support/order-client.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const CLIENTS = 10
const PATIENCE_MS = 3_000
/** The requests have arrived, and wait for their order, by then. */
const SETTLE_MS = 300

const ways: Record<string, (socket: Socket) => void> = {
  'closes its connection': (socket) => socket.destroy(),
  'resets its connection': (socket) => socket.resetAndDestroy(),
}

describe('a client that sends a whole request', () => {
  for (const [what, leave] of Object.entries(ways)) {
    test(`and ${what}: the order is placed and recorded, the retry replays it`, async (t) => {
      const { service, redis, databaseUrl } = await setUp(t)
      const lock = await holdOrders(databaseUrl)
      const keys = Array.from({ length: CLIENTS }, newKey)
      for (const key of keys) {
        const socket = await sent(service, requestText(key, orderBody()))
        // A reset discards what the service has not read yet: then there was no whole request.
        if (what.startsWith('resets')) await claimed(redis, key)
        leave(socket)
      }
      await sleep(SETTLE_MS)
      assert.equal((await redis.keys('*:key-*')).length, CLIENTS, 'the requests are in flight')
      await lock.release()

      const rows = await untilOrders(databaseUrl, CLIENTS)
      for (const key of keys) {
        await recorded(redis, key)
        const retry = await postOrder(service.url, key, orderBody())
        assert.equal(retry.status, 201)
        assert.equal(retry.headers['idempotent-replayed'], 'true')
        const row = rows.find((one) => one.idempotency_key === key)
        assert.equal(retry.body.toString(), row?.response_body.toString())
      }
      assert.equal((await readOrdersAt(databaseUrl)).length, CLIENTS)
      assert.doesNotMatch(service.log(), /"level":"(error|fatal)"/)
    })
  }
})

test('a client that leaves with half of the body sent: nothing is executed, no key is held', async (t) => {
  const { service, redis, databaseUrl } = await setUp(t)
  const keys = Array.from({ length: CLIENTS }, newKey)
  for (const [n, key] of keys.entries()) {
    const text = requestText(key, orderBody())
    const socket = await sent(service, text.slice(0, text.length - 10))
    await sleep(10)
    if (n % 2 === 0) socket.destroy()
    else socket.resetAndDestroy()
  }
  await sleep(SETTLE_MS)
  assert.deepEqual(await redis.keys('*:key-*'), [])
  assert.equal((await readOrdersAt(databaseUrl)).length, 0)
  for (const key of keys) {
    const retry = await postOrder(service.url, key, orderBody())
    assert.equal(retry.status, 201)
    assert.equal(retry.headers['idempotent-replayed'], undefined)
  }
  assert.equal((await readOrdersAt(databaseUrl)).length, CLIENTS)
  assert.doesNotMatch(service.log(), /"level":"(error|fatal)"/)
})

async function setUp(t: TestContext) {
  const [server, database] = await Promise.all([startRedis(), createDatabase()])
  const redis = new Redis(server.url)
  const service = await startService({
    DATABASE_URL: database.url,
    REDIS_URL: server.url,
    RATE_LIMITS: 'none',
  })
  t.after(async () => {
    redis.disconnect()
    await service.kill()
    await Promise.all([server.stop(), database.drop()])
  })
  return { service, redis, databaseUrl: database.url }
}

function requestText(key: string, body: string): string {
  const headers = Object.entries({ Host: 'localhost', ...orderHeaders(key, body) })
  return `POST /orders HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}

/** A connection on which this has been handed to the operating system. */
async function sent(service: Service, text: string): Promise<Socket> {
  const socket = connect(service.port, '127.0.0.1')
  await once(socket, 'connect')
  await new Promise<void>((resolve, reject) => {
    socket.write(text, (error) => (error ? reject(error) : resolve()))
  })
  return socket
}

const record = (redis: Redis, key: string) => redis.keys(`*:${key}`)

async function claimed(redis: Redis, key: string): Promise<void> {
  await until(`${key} is claimed`, async () => (await record(redis, key)).length === 1, PATIENCE_MS)
}

async function recorded(redis: Redis, key: string): Promise<void> {
  await until(
    `the response for ${key} is recorded`,
    async () => {
      const [name = ''] = await record(redis, key)
      // A response is a string, what is in flight is a hash.
      return (await redis.type(name)) === 'string'
    },
    PATIENCE_MS,
  )
}

async function untilOrders(databaseUrl: string, count: number): Promise<OrderRow[]> {
  let rows: OrderRow[] = []
  await until(
    `there are ${count} orders`,
    async () => {
      rows = await readOrdersAt(databaseUrl)
      return rows.length === count
    },
    PATIENCE_MS,
  )
  return rows
}
