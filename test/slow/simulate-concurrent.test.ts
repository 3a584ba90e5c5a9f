import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import postgres from 'postgres'
import { z } from 'zod'
import { type Reply, send } from '../support/order-client.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const database = await createDatabase()
const settings = { DATABASE_URL: database.url, LOG_LEVEL: 'warn', SIMULATED_GATEWAY: 'delay=100ms' }
const [demo, unlimited, production] = await Promise.all([
  startService(settings),
  startService({ ...settings, RATE_LIMITS: 'none' }),
  startService({
    ...settings,
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    HMAC_SECRET: 'a-secret-of-our-own',
  }),
])
const sql = postgres(database.url, { max: 2, onnotice: () => {} })
after(async () => {
  await Promise.all([demo, unlimited, production].map((service) => service.stop()))
  await sql.end()
  await database.drop()
})

const count = z.int().min(0)
const report = z.strictObject({
  requests: count,
  idempotency_key: z.string(),
  executed: count,
  replayed: count,
  conflicted: count,
  rate_limited: count,
  failed: count,
  transaction_id: z.uuid().nullable(),
  identical_answers: z.boolean(),
  duration_ms: z.number().positive(),
  copies: z.array(
    z.strictObject({
      copy: count,
      status: count,
      attempts: z.int().min(1),
      started_ms: z.number().min(0),
      outcome: z.enum(['executed', 'replayed', 'rate_limited', 'conflicted', 'failed']),
      duration_ms: z.number().min(0),
    }),
  ),
})

function simulate(url: string, body?: unknown): Promise<Reply> {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const type = body === undefined ? {} : { 'Content-Type': 'application/json' }
  const headers = { 'Content-Length': Buffer.byteLength(text), ...type }
  return send(`${url}/api/v1/simulate-concurrent`, { method: 'POST', headers, body: text, timeoutMs: 60_000 })
}

async function simulated(url: string, body?: unknown) {
  const reply = await simulate(url, body)
  assert.equal(reply.status, 200, reply.body.toString())
  return report.parse(JSON.parse(reply.body.toString()))
}

test('without a body five copies are sent, one is executed, and within the default limits', async () => {
  const result = await simulated(demo.url)
  const { requests, executed, replayed, rate_limited, failed, identical_answers, copies } = result
  assert.deepEqual(
    { requests, executed, failed, identical_answers },
    {
      requests: 5,
      executed: 1,
      failed: 0,
      identical_answers: true,
    },
  )
  // The limit of the route is 10 in a minute: on a slow machine, copies that met another one may use it up.
  assert.equal(replayed + rate_limited, 4)
  assert.deepEqual(
    copies.map(({ copy }) => copy),
    [1, 2, 3, 4, 5],
  )
  const rows = await sql`SELECT id, client FROM payments WHERE idempotency_key = ${result.idempotency_key}`
  assert.deepEqual(
    rows.map(({ id }) => id),
    [result.transaction_id],
  )
  assert.match(rows[0]?.client, /^simulation-[0-9a-f]{12}$/)
})

test('50 copies are charged once, all get the same bytes, and met each other on the way', async () => {
  const key = 'a-key-of-my-own-0001'
  const input = {
    requests: 50,
    amount: '500',
    currency: 'JPY',
    payment_method: 'pm_4242',
    idempotency_key: key,
  }
  const result = await simulated(unlimited.url, input)
  const { executed, replayed, conflicted, identical_answers, copies } = result
  assert.deepEqual(
    { executed, replayed, identical_answers },
    { executed: 1, replayed: 49, identical_answers: true },
  )
  assert.ok(conflicted > 0, 'no copy met another one in flight: they were not sent at once')
  assert.equal(result.idempotency_key, key)
  const attempts = copies.reduce((sum, copy) => sum + copy.attempts, 0)
  assert.equal(attempts, 50 + conflicted)
  const rows = await sql`SELECT * FROM payments WHERE idempotency_key = ${key}`
  assert.deepEqual(
    rows.map(({ amount, currency }) => [Number(amount), currency]),
    [[500, 'JPY']],
  )
})

test('the limits hold for the copies as for everybody, and are those of a user of their own', async () => {
  for (const _ of [1, 2]) {
    const { executed, replayed, rate_limited, failed, identical_answers } = await simulated(demo.url, {
      requests: 20,
    })
    assert.equal(executed, 1)
    assert.ok(rate_limited >= 10, `${rate_limited} of 20 with a limit of 10 in a minute`)
    assert.equal(replayed + rate_limited + failed, 19)
    assert.equal(identical_answers, true)
  }
})

test('a payment that is declined is executed once, too', async () => {
  const result = await simulated(unlimited.url, { payment_method: 'pm_test_declined' })
  assert.deepEqual([result.executed, result.replayed, result.identical_answers], [1, 4, true])
  assert.deepEqual(new Set(result.copies.map(({ status }) => status)), new Set([402]))
})

test('the user of a simulation is gone when it is over, and there is one simulation at a time', async () => {
  const before = await sql`SELECT count(DISTINCT client)::int AS users FROM payments`
  const replies = await Promise.all([1, 2, 3].map(() => simulate(unlimited.url)))
  assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 429, 429])
  assert.ok(replies.some(({ code, headers }) => code === 'rate_limited' && headers['retry-after'] === '1'))
  const later = await sql`SELECT count(DISTINCT client)::int AS users FROM payments`
  assert.equal(later[0]?.users, before[0]?.users + 1)
})

test('every member that is not valid is refused', async () => {
  const refused: [body: unknown, pointer: string][] = [
    [[], ''],
    [{ requests: 1 }, '/requests'],
    [{ requests: 51 }, '/requests'],
    [{ requests: 2.5 }, '/requests'],
    [{ requests: '5' }, '/requests'],
    [{ amount: 0 }, '/amount'],
    [{ amount: '0.001' }, '/amount'],
    [{ amount: '0.5', currency: 'JPY' }, '/amount'],
    [{ amount: true }, '/amount'],
    [{ currency: 'eur' }, '/currency'],
    [{ currency: 1 }, '/currency'],
    [{ payment_method: '' }, '/payment_method'],
    [{ payment_method: 'a\nb' }, '/payment_method'],
    [{ idempotency_key: 'too-short' }, '/idempotency_key'],
    [{ idempotency_key: 'a key with spaces in it' }, '/idempotency_key'],
    [{ idempotency_key: 17 }, '/idempotency_key'],
    [{ url: 'http://127.0.0.1:1' }, '/url'],
  ]
  for (const [body, pointer] of refused) {
    const reply = await simulate(unlimited.url, body)
    assert.deepEqual([reply.status, reply.code], [422, 'validation_failed'], JSON.stringify(body))
    assert.match(reply.body.toString(), new RegExp(`"pointer":"${pointer}"`), JSON.stringify(body))
  }
  assert.equal((await simulate(unlimited.url, '{')).code, 'invalid_json')
})

test('in production there is no such route', async () => {
  const reply = await simulate(production.url)
  assert.deepEqual([reply.status, reply.code], [404, 'not_found'])
})

test('the number of copies in the query and the key in the header are taken, as the payments have it', async () => {
  const url = `${unlimited.url}/api/v1/simulate-concurrent?concurrent_count=3`
  const key = 'a-key-in-the-header-1'
  const headers = { 'Content-Length': 0, 'Idempotency-Key': key }
  const reply = await send(url, { method: 'POST', headers, body: '', timeoutMs: 60_000 })
  const { requests, idempotency_key } = report.parse(JSON.parse(reply.body.toString()))
  assert.deepEqual([requests, idempotency_key], [3, key])
  for (const query of ['concurrent_count=1', 'concurrent_count=51', 'concurrent_count=x', 'count=3']) {
    const refused = await send(`${unlimited.url}/api/v1/simulate-concurrent?${query}`, {
      method: 'POST',
      headers,
      body: '',
    })
    assert.equal(refused.status, 400, query)
    assert.match(refused.body.toString(), new RegExp(String(query.split('=')[0])))
  }
})
