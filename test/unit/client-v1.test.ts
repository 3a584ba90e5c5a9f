import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type ClientSettings, createClient } from '../../src/client.ts'
import { failure } from '../support/failure.ts'
import {
  cutBeforeResponse,
  problem,
  respond,
  type ScriptedServer,
  type Step,
  scriptedServer,
} from '../support/scripted-server.ts'

const API_KEY = 'key-of-ann_0001.~+/=='
const INPUT = { amount: '19.90', currency: 'EUR', payment_method: 'card-4242424242424242' }
const PAYMENT = {
  transaction_id: '019d0000-0000-7000-8000-000000000001',
  status: 'completed',
  amount: 19.9,
  currency: 'EUR',
  payment_method: '****4242',
  created_at: '2026-03-22T12:37:20.000Z',
}

const json = (status: number, value: unknown, headers: Record<string, string> = {}): Step =>
  respond(status, JSON.stringify(value), { 'Content-Type': 'application/json; charset=utf-8', ...headers })
const paid = (status = 200, change: object = {}, headers: Record<string, string> = {}) =>
  json(status, { payment: { ...PAYMENT, ...change } }, headers)

/** A client with an API key and a fake sleep. */
async function partner(t: TestContext, script: Step[], options: Partial<ClientSettings> = {}) {
  const server = await scriptedServer(t, ...script)
  const waits: number[] = []
  const client = createClient({
    baseUrl: server.url,
    apiKey: API_KEY,
    random: () => 0.5,
    sleep: async (ms) => void waits.push(ms),
    ...options,
  })
  return { ...server, client, waits }
}

const targets = ({ arrived }: Pick<ScriptedServer, 'arrived'>) =>
  arrived.map(({ method, target }) => `${method} ${target}`)

test('a payment is sent with the API key and a generated key', async (t) => {
  const { client, arrived } = await partner(t, [paid(200, {}, { 'X-Request-Id': 'req-1' })])
  const { key, ...result } = await client.payments.create({
    ...INPUT,
    description: 'café',
    metadata: { b: '2', a: '1' },
  })
  assert.deepEqual(result, {
    payment: PAYMENT,
    replayed: false,
    requestId: 'req-1',
    rateLimit: undefined,
    attempts: 1,
  })
  const [request] = arrived
  assert.equal(`${request?.method} ${request?.target}`, 'POST /api/v1/payments')
  assert.equal(request?.headers.authorization, `Bearer ${API_KEY}`)
  assert.equal(request.headers['idempotency-key'], key)
  assert.match(key, /^[A-Za-z0-9_-]{16,255}$/)
  assert.equal(request.headers['content-type'], 'application/json')
  for (const name of ['x-signature', 'x-client-id']) assert.equal(request.headers[name], undefined)
  assert.equal(
    request.body,
    '{"amount":"19.90","currency":"EUR","description":"café","payment_method":"card-4242424242424242","metadata":{"a":"1","b":"2"}}',
  )
})

test('the same payment with the same key has the same bytes, with any order of members', async (t) => {
  const { client, arrived } = await partner(t, [paid()])
  const { amount, currency, payment_method } = INPUT
  const key = 'my-own-key-000001'
  await client.payments.create({ amount, currency, payment_method, metadata: { a: '1', b: '2' } }, { key })
  await client.payments.create({ metadata: { b: '2', a: '1' }, payment_method, currency, amount }, { key })
  assert.equal(arrived[0]?.body, arrived[1]?.body)
})

test('each attempt has the key and the API key', async (t) => {
  const { client, arrived, waits } = await partner(t, [
    cutBeforeResponse,
    problem(503, 'circuit_open', { retryable: true, retry_after_ms: 700 }),
    paid(200, {}, { 'Idempotent-Replayed': 'true' }),
  ])
  const { replayed, attempts } = await client.payments.create(INPUT)
  assert.equal(replayed, true)
  assert.equal(attempts, 3)
  assert.deepEqual(waits, [100, 900])
  assert.equal(new Set(arrived.map(({ headers }) => headers['idempotency-key'])).size, 1)
  for (const { headers } of arrived) assert.equal(headers.authorization, `Bearer ${API_KEY}`)
})

test('a declined payment is a result and not an error', async (t) => {
  const { client } = await partner(t, [paid(402, { status: 'declined' })])
  const { payment, attempts } = await client.payments.create(INPUT)
  assert.equal(payment.status, 'declined')
  assert.equal(attempts, 1)
})

test('a 402 that is not a payment is an error: the problem of the service, or unexpected_answer', async (t) => {
  const { client } = await partner(t, [
    problem(402, 'a_later_code'),
    respond(402, '<html>', { 'Content-Type': 'text/html' }),
    json(402, { message: 'pay the proxy' }),
  ])
  const named = await failure(client.payments.create(INPUT))
  assert.equal(`${named.code} ${named.status}`, 'a_later_code 402')
  for (let n = 0; n < 2; n++) {
    const error = await failure(client.payments.create(INPUT))
    assert.equal(`${error.code} ${error.status} ${error.effect}`, 'unexpected_answer 402 unknown')
  }
})

test('402 is a problem on other routes', async (t) => {
  const { client } = await partner(t, [paid(402)])
  assert.equal((await failure(client.payments.get('x'))).status, 402)
  assert.equal((await failure(client.request('/api/v1/rate-limits'))).status, 402)
  const outcomes = [402]
  assert.equal((await client.request('/pay', { method: 'POST', body: '{}', outcomes })).status, 402)
})

test('a response that is not a payment is an error with effect unknown', async (t) => {
  const bodies = [
    { payment: null },
    { payment: [] },
    { payment: { ...PAYMENT, status: 'paid' } },
    { payment: { ...PAYMENT, amount: '19.90' } },
    { payment: { ...PAYMENT, transaction_id: undefined } },
    { order: PAYMENT },
    'text',
  ]
  const { client } = await partner(
    t,
    bodies.map((body) => json(200, body)),
  )
  for (const _ of bodies) {
    const error = await failure(client.payments.create(INPUT))
    assert.equal(`${error.code} ${error.effect}`, 'unexpected_answer unknown')
  }
})

test('a payment is read by any id, in every state', async (t) => {
  const states = ['processing', 'unknown', 'completed', 'declined']
  const { client, ...server } = await partner(
    t,
    states.map((status) => paid(200, { status, later: 1 })),
  )
  for (const status of states) {
    const { payment } = await client.payments.get('a/b c')
    assert.deepEqual(payment, { ...PAYMENT, status, later: 1 })
  }
  assert.deepEqual(new Set(targets(server)), new Set(['GET /api/v1/payments/a%2Fb%20c']))
})

const entry = (seq: number) => ({ seq, at: PAYMENT.created_at, event_type: 'payment.completed', attempt: 1 })

test('a page of the audit trail is requested when it is needed', async (t) => {
  const { client, ...server } = await partner(t, [
    json(200, { entries: [entry(3), entry(2)], next_cursor: 'c 2' }),
    json(200, { entries: [entry(1)], next_cursor: null }),
  ])
  const seen: number[] = []
  for await (const { seq } of client.auditLogs.list({ eventType: 'payment.completed', limit: 2 })) {
    seen.push(seq)
    if (seq === 3) assert.equal(server.arrived.length, 1)
  }
  assert.deepEqual(seen, [3, 2, 1])
  assert.deepEqual(targets(server), [
    'GET /api/v1/audit-logs?event_type=payment.completed&limit=2',
    'GET /api/v1/audit-logs?event_type=payment.completed&limit=2&cursor=c+2',
  ])
})

test('a page of the audit trail keeps the members of each entry', async (t) => {
  const { client, ...server } = await partner(t, [json(200, { entries: [entry(1)], next_cursor: null })])
  const { entries, nextCursor } = await client.auditLogs.page()
  assert.deepEqual([entries, nextCursor], [[entry(1)], null])
  for await (const page of client.auditLogs.list().pages()) assert.equal(page.entries.length, 1)
  assert.deepEqual(targets(server), ['GET /api/v1/audit-logs', 'GET /api/v1/audit-logs'])
})

test('a response that is not a page of the audit trail is an error', async (t) => {
  const bodies = [
    { entries: [{ seq: 1 }], next_cursor: null },
    { entries: [entry(1)] },
    { entries: {}, next_cursor: null },
  ]
  const { client } = await partner(
    t,
    bodies.map((body) => json(200, body)),
  )
  for (const _ of bodies) {
    assert.equal((await failure(client.auditLogs.page())).code, 'unexpected_answer')
  }
})

test('a response without rate limits is an error', async (t) => {
  const bodies = [{ limits: [{ name: 'x' }], tightest: null }, { limits: [] }, { tightest: null }]
  const { client } = await partner(
    t,
    bodies.map((body) => json(200, body)),
  )
  for (const _ of bodies) assert.equal((await failure(client.rateLimits())).code, 'unexpected_answer')
})

test('a wrong API key is final', async (t) => {
  const { client, arrived } = await partner(t, [problem(401, 'api_key_invalid')])
  const error = await failure(client.payments.create(INPUT))
  assert.equal(`${error.code} ${error.effect} ${error.attempts}`, 'api_key_invalid none 1')
  assert.equal(arrived.length, 1)
})

test('signedFetch sends the API key, but not to another host', async (t) => {
  const { client, arrived, url } = await partner(t, [respond(200, '')])
  await client.signedFetch('/api/v1/rate-limits', { headers: { Authorization: 'Basic mine' } })
  assert.equal(arrived[0]?.headers.authorization, `Bearer ${API_KEY}`)
  await assert.rejects(client.signedFetch('https://other.example/api/v1/rate-limits'), TypeError)
  await assert.rejects(client.request(url.replace('127.0.0.1', 'localhost')), TypeError)
  assert.equal(arrived.length, 1)
})

test('request() refuses a Request object instead of using it as a path', async (t) => {
  const { client, arrived, url } = await partner(t, [respond(200, '')])
  const given = new Request(`${url}/orders`, { method: 'POST', body: '{}' })
  await assert.rejects(async () => Reflect.apply(client.request, undefined, [given]), /a string or a URL/)
  await client.request(new URL('/orders', url))
  assert.deepEqual(
    arrived.map(({ target }) => target),
    ['/orders'],
  )
})

test('an invalid apiKey is refused without showing it; two kinds of credentials are refused', () => {
  const make = (options: object) => () =>
    createClient({ baseUrl: 'http://127.0.0.1', apiKey: API_KEY, ...options })
  for (const apiKey of ['', 'hush hush', 'hush\n', 'hüsh', 42]) {
    assert.throws(make({ apiKey }), (error) => {
      assert.ok(error instanceof RangeError)
      assert.match(error.message, /^apiKey must be/)
      assert.doesNotMatch(error.message, /h.sh|42/)
      return true
    })
  }
  assert.throws(make({ secret: 'hush' }), {
    name: 'TypeError',
    message: 'give either apiKey, or client and secret',
  })
  assert.throws(make({ client: 'acme' }), TypeError)
  assert.throws(make({ apiKey: undefined }), /secret/)
  assert.throws(make({ retry: 'often' }), /retry must be an object or "service", not "often"/)
})
