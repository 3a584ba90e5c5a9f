import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { createClient, DEFAULT_RETRY, type Order, type SigningOptions } from '../../src/client.ts'
import { readOrdersAt } from '../support/check-orders.ts'
import { failure } from '../support/failure.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const database = await createDatabase()
const settings = { DATABASE_URL: database.url, LOG_LEVEL: 'warn' }
const service = await startService({ ...settings, RATE_LIMITS: 'none' })
after(async () => {
  await service.kill()
  await database.drop()
})

const INPUT = { user_id: 'user-1', item: 'bücher ✓', amount: '19.90' }

function partner(options: Partial<SigningOptions> = {}) {
  return createClient({ baseUrl: service.url, secret: 'super-secret-key', ...options })
}

async function ordersOf(key: string) {
  return (await readOrdersAt(database.url)).filter((row) => row.idempotency_key === key)
}

test('an order is placed, replayed with its key, and read back', async () => {
  const { orders } = partner()
  const first = await orders.create(INPUT)
  assert.equal(first.replayed, false)
  assert.equal(first.order.idempotency_key, first.key)
  assert.deepEqual(
    { ...first.order, id: '', idempotency_key: '', created_at: '' },
    {
      ...INPUT,
      amount: 19.9,
      id: '',
      idempotency_key: '',
      created_at: '',
    },
  )
  assert.match(String(first.requestId), /^[\w-]+$/)

  const again = await orders.create(INPUT, { key: first.key })
  assert.equal(again.replayed, true)
  assert.deepEqual(again.order, first.order)
  assert.deepEqual((await orders.get(first.order.id)).order, first.order)
  assert.equal((await ordersOf(first.key)).length, 1)
})

test('a key of another order is a final conflict', async () => {
  const { orders } = partner()
  const { key } = await orders.create(INPUT)
  const error = await failure(orders.create({ ...INPUT, amount: 20 }, { key }))
  assert.deepEqual([error.status, error.code, error.effect], [409, 'idempotency_key_reused', 'unknown'])
  assert.equal(error.attempts, 1)
})

test('a quoted key is the same key', async () => {
  const { orders } = partner()
  const key = `order "${randomUUID()}", second`
  const first = await orders.create(INPUT, { key })
  assert.equal(first.order.idempotency_key, key)
  assert.equal((await orders.create(INPUT, { key })).replayed, true)
})

test('lost responses lead to one order and its response', async () => {
  let lost = 0
  const losing: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    if (lost >= 3) return response
    lost++
    await response.body?.cancel()
    throw new TypeError('the connection was lost')
  }
  const { orders } = partner({ fetch: losing, retry: { baseMs: 10 } })
  const { key, order, replayed, attempts } = await orders.create(INPUT)
  assert.deepEqual({ replayed, attempts }, { replayed: true, attempts: 4 })
  const rows = await ordersOf(key)
  assert.deepEqual(
    rows.map(({ id }) => id),
    [order.id],
  )
})

test('a program continues later with the key of the error', async () => {
  const controller = new AbortController()
  const cut: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    controller.abort()
    await response.body?.cancel()
    throw new TypeError('the connection was lost')
  }
  const error = await failure(partner({ fetch: cut }).orders.create(INPUT, { signal: controller.signal }))
  assert.deepEqual([error.code, error.effect], ['aborted', 'unknown'])
  const { key } = error
  assert.ok(key)
  assert.equal((await partner().orders.create(INPUT, { key })).replayed, true)
  assert.equal((await ordersOf(key)).length, 1)
})

test('20 concurrent calls with one key get one order', async () => {
  const key = randomUUID()
  const { orders } = partner({ retry: { budgetReserve: 1_000 } })
  const results = await Promise.all(Array.from({ length: 20 }, () => orders.create(INPUT, { key })))
  assert.equal(new Set(results.map(({ order }) => order.id)).size, 1)
  assert.equal(results.filter(({ replayed }) => !replayed).length, 1)
  assert.equal((await ordersOf(key)).length, 1)
})

test('an invalid order is refused with each faulty member', async () => {
  const error = await failure(partner().orders.create({ ...INPUT, user_id: '', amount: -1 }))
  assert.equal(error.code, 'validation_failed')
  assert.deepEqual(error.errors.map(({ pointer }) => pointer).sort(), ['/amount', '/user_id'])
})

test('a wrong secret fails without retries', async () => {
  const error = await failure(partner({ secret: 'wrong' }).orders.create(INPUT))
  assert.deepEqual([error.status, error.code, error.attempts], [401, 'signature_invalid', 1])
})

test('all orders are listed, newest first, over several pages', async () => {
  const { orders } = partner()
  const placed: string[] = []
  for (let n = 0; n < 5; n++) placed.unshift((await orders.create(INPUT)).order.id)
  const listed: Order[] = []
  for await (const order of orders.list({ limit: 2 })) listed.push(order)
  assert.deepEqual(
    listed.slice(0, 5).map(({ id }) => id),
    placed,
  )
  assert.equal(listed.length, (await readOrdersAt(database.url)).length)
})

test('an order and a payment are found by their keys', async () => {
  const { orders } = partner()
  const { order, key } = await orders.create(INPUT)
  assert.deepEqual(await orders.find({ key }), order)
  assert.equal(await orders.find({ key: 'never-used' }), undefined)
  const since = new Date(order.created_at)
  const page = await orders.page({ createdAfter: since, limit: 1 })
  assert.deepEqual(page.orders, [order])
  const { payments } = createClient({ baseUrl: service.url, apiKey: 'test-api-key' })
  const input = { amount: '1.50', currency: 'EUR', payment_method: 'tok_visa_4242' }
  const paid = await payments.create(input)
  assert.deepEqual(await payments.find({ key: paid.key }), paid.payment)
  assert.equal(await payments.find({ key: 'never-used-before' }), undefined)
  const listed = []
  for await (const payment of payments.list({ status: 'completed', limit: 1 })) listed.push(payment)
  assert.deepEqual(listed, [paid.payment])
  assert.deepEqual((await payments.page({ status: 'declined' })).payments, [])
})

test('the service accepts signedFetch, also with a query', async () => {
  const response = await partner().signedFetch('/orders?limit=1&cursor=')
  assert.equal(response.status, 400)
  assert.equal((await partner().signedFetch('/orders?limit=1')).status, 200)
})

test('a client that has used up its limit waits as long as the service requests', async () => {
  const limited = await startService({ ...settings, RATE_LIMITS: 'client=2/2s' })
  try {
    const waits: number[] = []
    const { orders } = partner({
      baseUrl: limited.url,
      onRetry: ({ delayMs, problem }) => {
        assert.equal(problem.code, 'rate_limited')
        waits.push(delayMs)
      },
    })
    const standings: unknown[] = []
    for (let n = 0; n < 3; n++) standings.push((await orders.create(INPUT)).rateLimit?.remaining)
    assert.deepEqual(standings.slice(0, 2), [1, 0])
    assert.ok(waits.length >= 1 && (waits[0] ?? 0) > 200, `${waits}`)
  } finally {
    await limited.kill()
  }
})

test('rate limits and retry config are read with an API key and with a signature', async (t) => {
  const limited = await startService({ ...settings, API_KEYS: 'ann:key-of-ann-0001' })
  t.after(() => limited.kill())
  const byKey = createClient({ baseUrl: limited.url, apiKey: 'key-of-ann-0001', retry: 'service' })
  const signing = partner({ baseUrl: limited.url, retry: 'service' })
  for (const client of [byKey, signing]) {
    const { limits, tightest, rateLimit } = await client.rateLimits()
    assert.deepEqual(
      limits.map(({ name, remaining }) => `${name} ${remaining}`),
      ['global 1000', 'client-60s 100', 'endpoint 10', 'client-1s 50'],
    )
    assert.equal(tightest, 'endpoint')
    assert.equal(rateLimit?.remaining, 10)
    const { config } = await client.retryConfig()
    assert.equal(config.max_attempts, DEFAULT_RETRY.maxAttempts)
    assert.equal(config.max_delay_ms, DEFAULT_RETRY.capMs)
  }
  const refused = await failure(byKey.orders.create(INPUT))
  assert.equal(`${refused.code} ${refused.effect}`, 'signature_missing none')
  const stranger = createClient({ baseUrl: limited.url, apiKey: 'key-of-nobody' })
  assert.equal((await failure(stranger.rateLimits())).code, 'api_key_invalid')
})
