import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { redisNames } from '../../internal/idempotency/redis-names.ts'
import { readOrdersAt } from '../support/check-orders.ts'
import { newKey, orderBody, orderHeaders, postOrder, send } from '../support/order-client.ts'
import { startBackend } from '../support/proxy.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { startService } from '../support/service.ts'

/** The keys in Redis, without the client and the rest after it. */
async function kindsIn(url: string): Promise<string[]> {
  const redis = new Redis(url)
  const names = await redis.keys('*')
  redis.disconnect()
  return [...new Set(names.map((name) => name.replace(/:\{.*/s, '')))].sort()
}

test('two services with separate databases and one Redis each place an order with the same key', async (t) => {
  const [redis, one, two] = await Promise.all([startRedis(), createDatabase(), createDatabase()])
  const limits = { REDIS_URL: redis.url, RATE_LIMITS: 'client=1/1h' }
  const first = await startService({ ...limits, DATABASE_URL: one.url })
  const second = await startService({ ...limits, DATABASE_URL: two.url })
  t.after(async () => {
    await Promise.all([first.kill(), second.kill()])
    await Promise.all([redis.stop(), one.drop(), two.drop()])
  })
  const [key, body] = [newKey(), orderBody()]
  for (const [{ url }, database] of [
    [first, one],
    [second, two],
  ] as const) {
    const reply = await postOrder(url, key, body)
    // Each service has its own limit of one an hour.
    assert.equal(reply.status, 201, reply.body.toString())
    assert.equal(reply.headers['idempotent-replayed'], undefined)
    assert.equal((await readOrdersAt(database.url)).length, 1)
    assert.equal((await postOrder(url, newKey(), body)).status, 429)
  }
  const kinds = await kindsIn(redis.url)
  assert.equal(kinds.length, 4, kinds.join())
  for (const kind of kinds) assert.match(kind, /^oncekey:[0-9a-f]{12}:(key|limit)$/)

  // The operator sees only the keys of one deployment, and which one it is.
  const seen = await oncekey(['keys', 'list'], { REDIS_URL: redis.url, DATABASE_URL: one.url })
  assert.equal(seen.code, 0)
  assert.match(seen.stderr, /^oncekey: the keys in Redis at 127\.0\.0\.1:\d+, under oncekey:[0-9a-f]{12}:\n$/)
  assert.equal(seen.stdout.trimEnd().split('\n').length, 1)
})

test('a service and a sidecar on one Redis use different keys', async (t) => {
  const [redis, database] = await Promise.all([startRedis(), createDatabase()])
  const backend = await startBackend(t, (res) => void res.writeHead(201).end('of the backend'))
  const service = await startService({ REDIS_URL: redis.url, DATABASE_URL: database.url })
  const sidecar = await startService({ REDIS_URL: redis.url }, ['proxy', '--target', backend.url])
  t.after(async () => {
    await Promise.all([service.kill(), sidecar.kill()])
    await Promise.all([redis.stop(), database.drop()])
  })
  const [key, body] = [newKey(), orderBody()]
  assert.equal((await postOrder(service.url, key, body)).status, 201)
  const forwarded = await send(`${sidecar.url}/orders`, {
    method: 'POST',
    headers: orderHeaders(key, body),
    body,
  })
  assert.equal(forwarded.body.toString(), 'of the backend')
  assert.equal(backend.runs(key), 1)
})

test('REDIS_PREFIX keeps the keys of an older version, which a sidecar would otherwise lose', async (t) => {
  const [redis, database] = await Promise.all([startRedis(), createDatabase()])
  t.after(() => Promise.all([redis.stop(), database.drop()]))
  const backend = await startBackend(t, (res) => void res.writeHead(201).end('once'))
  const args = ['proxy', '--target', backend.url]
  const settings = { REDIS_URL: redis.url, DATABASE_URL: database.url, PORT: '0' }
  assert.equal((await oncekey(['migrate'], settings)).code, 0)
  const [key, body] = [newKey(), orderBody()]
  const post = (url: string) =>
    send(`${url}/charge`, { method: 'POST', headers: orderHeaders(key, body), body })

  const before = await startService({ ...settings, REDIS_PREFIX: 'oncekey' }, args)
  assert.equal((await post(before.url)).status, 201)
  await before.stop()
  const forgetting = await oncekey(args, settings)
  assert.equal(forgetting.code, 1)
  assert.match(
    forgetting.stderr,
    /^oncekey proxy: Redis has keys under oncekey: .* set REDIS_PREFIX=oncekey to go on .*or REDIS_PREFIX=oncekey:[0-9a-f]{12} if/,
  )
  const after = await startService({ ...settings, REDIS_PREFIX: 'oncekey' }, args)
  const again = await post(after.url)
  assert.equal(again.headers['idempotent-replayed'], 'true')
  assert.equal(backend.runs(key), 1)
  await after.stop()
  assert.ok((await kindsIn(redis.url)).includes(redisNames().records('x').replace(/:\{.*/, '')))

  const flushed = new Redis(redis.url)
  await flushed.flushall()
  flushed.disconnect()
  const fresh = await startService(settings, args)
  assert.equal((await post(fresh.url)).status, 201)
  await fresh.stop()
  assert.match((await kindsIn(redis.url)).join(), /^oncekey:[0-9a-f]{12}:key$/)
})
