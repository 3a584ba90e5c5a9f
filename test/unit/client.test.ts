import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sign } from '../../internal/signature/schemes.ts'
import { createClient, type SigningOptions } from '../../src/client.ts'
import { failure } from '../support/failure.ts'
import {
  type Arrived,
  created,
  cutBeforeResponse,
  cutWithinResponse,
  ORDER,
  problem,
  respond,
  type ScriptedServer,
  type Step,
  scriptedServer,
  silence,
} from '../support/scripted-server.ts'

const INPUT = { user_id: 'user-1', item: 'bücher ✓', amount: '19.90' }
const SECRET = 'pässword-ключ'
const STARTED_MS = 1_767_225_600_250
const HTML = respond(502, '<html>Bad Gateway</html>', { 'Content-Type': 'text/html' })

/** A client with a fake clock and sleep, and the longest jitter. */
async function partner(t: TestContext, script: Step[], options: Partial<SigningOptions> = {}) {
  const server = await scriptedServer(t, ...script)
  const clock = { ms: STARTED_MS }
  const waits: number[] = []
  const client = createClient({
    baseUrl: server.url,
    client: 'acme',
    secret: SECRET,
    now: () => clock.ms,
    random: () => 0.5,
    async sleep(ms) {
      waits.push(ms)
      clock.ms += ms
    },
    ...options,
  })
  return { ...server, client, clock, waits }
}

function assertSigned(request: Arrived, atMs: number): void {
  const expected = sign({
    scheme: 'v1',
    secret: SECRET,
    client: 'acme',
    timestamp: Math.floor(atMs / 1_000),
    method: request.method,
    target: request.target,
    key: String(request.headers['idempotency-key'] ?? ''),
    body: request.body,
  })
  assert.equal(request.headers['x-signature'], expected)
  assert.equal(request.headers['x-client-id'], 'acme')
}

const keys = ({ arrived }: ScriptedServer) =>
  new Set(arrived.map(({ headers }) => headers['idempotency-key']))

test('an order is created with a generated key, and the result has all values of the response', async (t) => {
  const headers = {
    'X-Request-Id': 'req-1',
    'X-RateLimit-Limit': '10',
    'X-RateLimit-Remaining': '9',
    'X-RateLimit-Reset': '1767225660',
  }
  const { client, ...server } = await partner(t, [created(headers)])
  const result = await client.orders.create(INPUT)
  assert.deepEqual(result, {
    order: ORDER,
    key: result.key,
    replayed: false,
    requestId: 'req-1',
    rateLimit: { limit: 10, remaining: 9, resetAtMs: 1_767_225_660_000 },
    attempts: 1,
  })
  const [request] = server.arrived
  assert.ok(request)
  assert.match(result.key, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.equal(request.headers['idempotency-key'], result.key)
  assert.equal(request.headers['content-type'], 'application/json')
  assert.equal(request.headers['content-length'], String(Buffer.byteLength(request.body)))
  assert.deepEqual(JSON.parse(request.body), INPUT)
  assertSigned(request, STARTED_MS)
})

test('each attempt has the same key and bytes, and a new timestamp and signature', async (t) => {
  const { client, waits, ...server } = await partner(
    t,
    [
      cutBeforeResponse,
      cutWithinResponse,
      problem(503, 'store_unavailable', { retryable: true }),
      created({ 'Idempotent-Replayed': 'true' }),
    ],
    { retry: { baseMs: 4_000, capMs: 10_000 } },
  )
  const { replayed, attempts } = await client.orders.create(INPUT)
  assert.equal(replayed, true)
  assert.equal(attempts, 4)
  assert.deepEqual(waits, [2_000, 4_000, 5_000])
  assert.equal(keys(server).size, 1)
  assert.equal(new Set(server.arrived.map(({ body }) => body)).size, 1)
  const timesMs = [0, 2_000, 6_000, 11_000].map((ms) => STARTED_MS + ms)
  for (const [n, request] of server.arrived.entries()) assertSigned(request, timesMs[n] ?? 0)
})

test('the same order with the same key has the same bytes, with any order of members', async (t) => {
  const { client, arrived } = await partner(t, [created()])
  await client.orders.create({ user_id: 'u', item: 'i', amount: 1 }, { key: 'mine' })
  await client.orders.create({ amount: 1, item: 'i', user_id: 'u' }, { key: 'mine' })
  assert.equal(arrived[0]?.body, arrived[1]?.body)
})

test('a key that needs quotes is sent and signed in quotes', async (t) => {
  const { client, arrived } = await partner(t, [created()])
  const { key } = await client.orders.create(INPUT, { key: 'a "b", c\\d' })
  assert.equal(key, 'a "b", c\\d')
  assert.equal(arrived[0]?.headers['idempotency-key'], '"a \\"b\\", c\\\\d"')
  assert.ok(arrived[0])
  assertSigned(arrived[0], STARTED_MS)
})

test('an invalid key is refused before anything is sent', async (t) => {
  const { client, arrived } = await partner(t, [created()])
  for (const key of ['', 'x'.repeat(256), 'schlüssel', 'a\nb']) {
    await assert.rejects(client.orders.create(INPUT, { key }), RangeError)
  }
  assert.equal(arrived.length, 0)
})

const PASSING: [string, Step][] = [
  ['a connection cut before the response', cutBeforeResponse],
  ['a connection cut within the response', cutWithinResponse],
  ['the HTML page of a proxy', HTML],
  ['408', problem(408, 'request_timeout')],
  ['425', respond(425, '')],
  ['429', problem(429, 'rate_limited', { retryable: true })],
  ['500', problem(500, 'internal_error')],
  ['503', problem(503, 'shutting_down', { retryable: true })],
  ['504', problem(504, 'backend_timeout')],
  ['409 request_in_progress', problem(409, 'request_in_progress', { retryable: true })],
  ['409 outcome_unknown', problem(409, 'outcome_unknown', { retryable: false })],
]
for (const [what, step] of PASSING) {
  test(`${what} is retried`, async (t) => {
    const { client, waits, arrived } = await partner(t, [step, created()])
    assert.equal((await client.orders.create(INPUT)).attempts, 2)
    assert.deepEqual(waits, [100])
    assert.equal(arrived.length, 2)
  })
}

const FINAL: [number, string, object?][] = [
  [400, 'invalid_json'],
  [401, 'timestamp_out_of_range'],
  [403, 'scheme_not_allowed'],
  [404, 'not_found'],
  [409, 'idempotency_key_reused', { retryable: false }],
  [409, 'a_later_code'],
  [413, 'body_too_large'],
  [415, 'unsupported_media_type'],
  [422, 'validation_failed'],
  [503, 'a_later_code', { retryable: false }],
]
for (const [status, code, more] of FINAL) {
  test(`${status} ${code} is final`, async (t) => {
    const { client, arrived } = await partner(t, [problem(status, code, more), created()])
    const error = await failure(client.orders.create(INPUT, { key: 'key-001' }))
    assert.deepEqual([error.status, error.code, error.gaveUp], [status, code, 'not retryable'])
    assert.equal(error.key, 'key-001')
    assert.equal(arrived.length, 1)
  })
}

test('a problem has what the service reported, and whether it took effect', async (t) => {
  const errors = [{ pointer: '/amount', detail: 'must be positive' }]
  const step = problem(422, 'validation_failed', { errors, retryable: false, request_id: 'req-9' })
  const { client } = await partner(t, [step])
  const error = await failure(client.orders.create(INPUT, { key: 'key-001' }))
  assert.deepEqual(error.errors, errors)
  assert.equal(error.retryable, false)
  assert.equal(error.requestId, 'req-9')
  assert.equal(error.effect, 'none')
  assert.equal(error.message, 'The detail. [validation_failed, key key-001, request req-9]')
})

test('after a lost response only a response about the key shows that nothing took effect', async (t) => {
  const after = async (...steps: Step[]) => {
    const { client } = await partner(t, steps)
    return (await failure(client.orders.create(INPUT))).effect
  }
  assert.equal(await after(problem(401, 'signature_invalid')), 'none')
  assert.equal(await after(cutBeforeResponse, problem(401, 'signature_invalid')), 'unknown')
  assert.equal(await after(cutBeforeResponse, problem(422, 'validation_failed')), 'none')
  assert.equal(await after(problem(500, 'internal_error')), 'unknown')
  const reused = problem(409, 'idempotency_key_reused', { retryable: false })
  assert.equal(await after(reused), 'unknown', 'the earlier request with the key may have')
})

test('jitter is added to the wait that the service requests', async (t) => {
  const inAnHour = new Date(STARTED_MS + 3_600_000).toUTCString()
  const { client, waits } = await partner(
    t,
    [
      problem(429, 'rate_limited', { retry_after_ms: 4_321 }, { 'Retry-After': '5' }),
      problem(429, 'rate_limited', {}, { 'Retry-After': '7' }),
      respond(503, '', {
        'Retry-After': new Date(STARTED_MS + 9_000).toUTCString(),
        Date: new Date(STARTED_MS).toUTCString(),
      }),
      respond(503, '', { 'Retry-After': 'soon' }),
      respond(503, '', { 'Retry-After': inAnHour, Date: new Date(STARTED_MS).toUTCString() }),
    ],
    { retry: { baseMs: 200, capMs: 200 } },
  )
  const error = await failure(client.orders.create(INPUT))
  assert.deepEqual(waits, [4_421, 7_100, 9_100, 100])
  assert.equal(error.gaveUp, 'deadline', 'an hour is longer than anybody waits')
  assert.equal(error.retryAfterMs, 3_600_000)
})

test('a Retry-After that is longer than that of the problem is used', async (t) => {
  const step = problem(429, 'rate_limited', { retry_after_ms: 1_200 }, { 'Retry-After': '30' })
  const { client, waits } = await partner(t, [step, created()], { random: () => 0 })
  await client.orders.create(INPUT)
  assert.deepEqual(waits, [29_001])
})

test('a request ends before a wait that would pass its deadline, with the last problem', async (t) => {
  const { client, waits, clock } = await partner(t, [problem(409, 'outcome_unknown')], {
    retry: { baseMs: 2_000, capMs: 2_000, deadlineMs: 4_500, budgetReserve: 100 },
  })
  const error = await failure(client.orders.create(INPUT, { key: 'key-001' }))
  assert.deepEqual([error.code, error.gaveUp, error.attempts], ['outcome_unknown', 'deadline', 5])
  assert.equal(error.effect, 'unknown')
  assert.equal(error.key, 'key-001')
  assert.deepEqual(waits, [1_000, 1_000, 1_000, 1_000])
  assert.equal(clock.ms, STARTED_MS + 4_000)
})

test('a call may set its deadline', async (t) => {
  const { client, waits } = await partner(t, [HTML], { retry: { baseMs: 2_000, capMs: 2_000 } })
  const error = await failure(client.orders.create(INPUT, { deadlineMs: 1_500 }))
  assert.deepEqual([error.gaveUp, error.status, error.code], ['deadline', 502, 'unexpected_answer'])
  assert.deepEqual(waits, [1_000])
})

test('a clock that is set back prolongs no deadline', async (t) => {
  const { client, clock, arrived } = await partner(t, [problem(503, 'store_unavailable')], {
    retry: { baseMs: 0, deadlineMs: 300, maxAttempts: 1_000, budgetReserve: Number.POSITIVE_INFINITY },
    async sleep() {
      clock.ms -= 3_600_000
      await sleep(20)
    },
  })
  const error = await failure(client.orders.create(INPUT))
  assert.equal(error.gaveUp, 'deadline')
  assert.ok(arrived.length <= 16, `${arrived.length} attempts`)
})

test('a deadline that is no number of milliseconds is refused before anything is sent', async (t) => {
  const { client, arrived } = await partner(t, [created()])
  // What a program in JavaScript may hand over.
  for (const deadlineMs of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, JSON.parse('"4000"')]) {
    const call = client.orders.create(INPUT, { deadlineMs })
    await assert.rejects(call, { name: 'RangeError', message: /^deadlineMs must be .*, not / })
  }
  assert.equal(arrived.length, 0)
})

test('what is no key is refused before anything is sent, for a search too', async (t) => {
  const { client, arrived } = await partner(t, [created()])
  // What a program in JavaScript may hand over: String(null) would be a key.
  for (const key of [JSON.parse('null'), JSON.parse('5'), '', 'ключ']) {
    for (const call of [client.orders.create(INPUT, { key }), client.orders.find({ key })])
      await assert.rejects(call, /^(Type|Range)Error: key must be /)
  }
  await assert.rejects(client.payments.find(JSON.parse('{}')), /key must be a string, not undefined/)
  assert.equal(arrived.length, 0)
})

test('a request ends after maxAttempts', async (t) => {
  const { client, arrived } = await partner(t, [cutBeforeResponse], { retry: { maxAttempts: 3 } })
  const error = await failure(client.orders.create(INPUT))
  assert.deepEqual([error.code, error.gaveUp, error.attempts], ['network_error', 'attempts', 3])
  assert.equal(arrived.length, 3)
})

test('while a service is down, retries are a small fraction of the requests', async (t) => {
  const { client, arrived } = await partner(t, [problem(503, 'store_unavailable')], {
    retry: { baseMs: 0, budgetRatio: 0.1, budgetReserve: 5 },
  })
  const ends: string[] = []
  for (let n = 0; n < 100; n++) ends.push((await failure(client.orders.create(INPUT))).gaveUp)
  assert.ok(ends.includes('retry budget'))
  const retries = arrived.length - 100
  assert.ok(retries >= 5 && retries <= 5 + 10, `${retries} retries of 100 requests`)
})

test('an attempt without a response times out and is retried', async (t) => {
  const { client, arrived } = await partner(t, [silence, created()], { retry: { attemptTimeoutMs: 100 } })
  const { attempts } = await client.orders.create(INPUT)
  assert.equal(attempts, 2)
  assert.equal(arrived.length, 2)
})

test('the timeout of an attempt includes the body of its response', async (t) => {
  const stall: Step = (response) => {
    response.writeHead(201, { 'Content-Type': 'application/json' })
    response.write('{')
  }
  const retry = { attemptTimeoutMs: 100, maxAttempts: 1 }
  const { client } = await partner(t, [stall], { retry })
  assert.equal((await failure(client.orders.create(INPUT))).code, 'timeout')
})

test('an aborted request rejects with its key', async (t) => {
  const controller = new AbortController()
  const reason = new Error('the user left')
  const { client } = await partner(t, [() => controller.abort(reason)])
  const error = await failure(client.orders.create(INPUT, { signal: controller.signal }))
  assert.deepEqual([error.code, error.gaveUp, error.effect], ['aborted', 'aborted', 'unknown'])
  assert.equal(error.cause, reason)
  assert.match(String(error.key), /^[0-9a-f-]{36}$/)
})

test('an abort ends the wait for a retry', async (t) => {
  const controller = new AbortController()
  const server = await scriptedServer(t, problem(503, 'store_unavailable', { retry_after_ms: 30_000 }))
  const client = createClient({
    baseUrl: server.url,
    secret: SECRET,
    onRetry: () => setTimeout(() => controller.abort(), 20),
  })
  const startedMs = performance.now()
  const error = await failure(client.orders.create(INPUT, { signal: controller.signal }))
  assert.equal(error.code, 'aborted')
  assert.ok(performance.now() - startedMs < 5_000)
})

test('with an already aborted signal nothing is sent', async (t) => {
  const { client, arrived } = await partner(t, [created()])
  const error = await failure(client.orders.create(INPUT, { signal: AbortSignal.abort() }))
  assert.deepEqual([error.code, error.effect], ['aborted', 'none'])
  assert.equal(arrived.length, 0)
})

test('any number of requests may share one signal', async (t) => {
  const warnings: Error[] = []
  const warn = (warning: Error) => warnings.push(warning)
  process.on('warning', warn)
  t.after(() => process.off('warning', warn))
  const controller = new AbortController()
  const { signal } = controller
  const server = await scriptedServer(t, ...Array.from({ length: 15 }, () => created()), silence)
  const { orders } = createClient({ baseUrl: server.url, secret: SECRET })
  for (let n = 0; n < 15; n++) await orders.create(INPUT, { signal })
  const failures = Array.from({ length: 15 }, () => failure(orders.create(INPUT, { signal })))
  while (server.arrived.length < 30) await new Promise((resolve) => setTimeout(resolve, 5))
  controller.abort()
  for (const { code } of await Promise.all(failures)) assert.equal(code, 'aborted')
  assert.deepEqual(warnings, [])
})

test('onRetry is called before each wait', async (t) => {
  const told: unknown[] = []
  const { client } = await partner(t, [HTML, created()], {
    onRetry: ({ key, attempt, delayMs, problem: { code, status } }) =>
      told.push({ key, attempt, delayMs, code, status }),
  })
  await client.orders.create(INPUT, { key: 'k' })
  assert.deepEqual(told, [{ key: 'k', attempt: 1, delayMs: 100, code: 'unexpected_answer', status: 502 }])
})

test('a response that is too long is not read to its end, and the request is not retried', async (t) => {
  const { client, arrived } = await partner(t, [respond(201, 'x'.repeat(2_000))], { maxResponseBytes: 1_000 })
  const error = await failure(client.orders.create(INPUT))
  assert.deepEqual([error.code, error.effect], ['answer_too_large', 'unknown'])
  assert.equal(arrived.length, 1)
})

test('a response that is not an order is an error', async (t) => {
  for (const step of [
    respond(200, '<html>Log in</html>', { 'Content-Type': 'text/html' }),
    respond(201, '{"order":{"id":"1"}}', { 'Content-Type': 'application/json' }),
    respond(201, ''),
  ]) {
    const { client } = await partner(t, [step])
    const error = await failure(client.orders.create(INPUT))
    assert.deepEqual([error.code, error.effect], ['unexpected_answer', 'unknown'])
  }
})

test('a redirect is not followed: its target has no signature', async (t) => {
  const { client, arrived } = await partner(t, [respond(307, '', { Location: '/elsewhere' }), created()])
  assert.equal((await failure(client.orders.create(INPUT))).code, 'unexpected_answer')
  assert.equal(arrived.length, 1)
})

test('orders are listed one by one and page by page', async (t) => {
  const page = (ids: number[], next: string | null) =>
    respond(
      200,
      JSON.stringify({ orders: ids.map((id) => ({ ...ORDER, id: `id-${id}` })), next_cursor: next }),
    )
  const script = [page([5, 4], 'id-4'), page([3, 2], 'id-2'), page([1], null)]
  const one = await partner(t, [cutBeforeResponse, ...script])
  const ids: string[] = []
  for await (const { id } of one.client.orders.list({ limit: 2 })) ids.push(id)
  assert.deepEqual(ids, ['id-5', 'id-4', 'id-3', 'id-2', 'id-1'])
  assert.deepEqual(
    one.arrived.slice(1).map(({ target }) => target),
    ['/orders?limit=2', '/orders?limit=2&cursor=id-4', '/orders?limit=2&cursor=id-2'],
  )
  assert.equal(one.arrived[0]?.headers['idempotency-key'], undefined)
  for (const request of one.arrived.slice(1)) assertSigned(request, STARTED_MS + (one.waits[0] ?? 0))

  const two = await partner(t, script)
  const lengths: number[] = []
  for await (const { orders } of two.client.orders.list().pages()) lengths.push(orders.length)
  assert.deepEqual(lengths, [2, 2, 1])
  assert.equal(two.arrived[0]?.target, '/orders')
})

test('a missing order is a problem with effect none', async (t) => {
  const { client, arrived } = await partner(t, [problem(404, 'not_found')])
  const error = await failure(client.orders.get('a/b'))
  assert.deepEqual([error.code, error.effect, error.key], ['not_found', 'none', undefined])
  assert.equal(arrived[0]?.target, '/orders/a%2Fb')
})

test('the path of a base URL is kept', async (t) => {
  const server = await scriptedServer(t, created())
  const client = createClient({
    baseUrl: `${server.url}/shop`,
    client: 'acme',
    secret: SECRET,
    now: () => STARTED_MS,
  })
  await client.orders.get('id-1')
  assert.equal(server.arrived[0]?.target, '/shop/orders/id-1')
})

test('signedFetch signs one attempt of any request, bytes and key as given', async (t) => {
  const { client, arrived } = await partner(t, [problem(503, 'store_unavailable')])
  const response = await client.signedFetch('/api/v1/payments?dry=a%20b', {
    method: 'post',
    headers: { 'Idempotency-Key': 'payment-00000001' },
    body: new TextEncoder().encode('{"amount":1}'),
  })
  assert.equal(response.status, 503)
  await client.signedFetch('orders', { body: 'ü', method: 'PUT' })
  await client.signedFetch('orders')
  assert.deepEqual(
    arrived.map(({ method, target, body }) => [method, target, body]),
    [
      ['POST', '/api/v1/payments?dry=a%20b', '{"amount":1}'],
      ['PUT', '/orders', 'ü'],
      ['GET', '/orders', ''],
    ],
  )
  for (const request of arrived) assertSigned(request, STARTED_MS)
})

test('signedFetch signs a Request, as generated clients pass it', async (t) => {
  const { client, arrived, url } = await partner(t, [respond(201, '{}')])
  const init = { method: 'POST', body: '{"amount":1}', headers: { 'Idempotency-Key': 'k-1' } }
  await client.signedFetch(new Request(`${url}/orders?a=1`, init))
  await client.signedFetch(new Request(`${url}/orders`, init), { body: 'ü', headers: {} })
  await client.signedFetch(new Request(`${url}/orders`))
  assert.deepEqual(
    arrived.map(({ method, target, body, headers }) => [method, target, body, headers['idempotency-key']]),
    [
      ['POST', '/orders?a=1', '{"amount":1}', 'k-1'],
      ['POST', '/orders', 'ü', undefined],
      ['GET', '/orders', '', undefined],
    ],
  )
  for (const request of arrived) assertSigned(request, STARTED_MS)
  const abroad = new Request('https://other.example/orders')
  await assert.rejects(client.signedFetch(abroad), TypeError)
  const stopped = new Request(`${url}/orders`, { signal: AbortSignal.abort() })
  await assert.rejects(client.signedFetch(stopped), { name: 'AbortError' })
})

test('requests to other routes are retried; without a key only GET and HEAD', async (t) => {
  const passing = problem(503, 'circuit_open')
  const one = await partner(t, [passing, respond(200, 'done')])
  const body = '{"amount":1}'
  const { bytes, attempts } = await one.client.request('/api/v1/payments', {
    method: 'POST',
    body,
    key: 'k-1',
  })
  assert.equal(new TextDecoder().decode(bytes), 'done')
  assert.equal(attempts, 2)
  for (const request of one.arrived)
    assert.deepEqual([request.target, request.body], ['/api/v1/payments', body])

  const two = await partner(t, [passing, respond(200, 'done')])
  const error = await failure(two.client.request('/pay', { method: 'POST', body }))
  assert.deepEqual([error.gaveUp, error.effect, error.key], ['not retryable', 'unknown', undefined])
  assert.equal(two.arrived.length, 1)
  assert.equal((await two.client.request('/api/v1/rate-limits')).attempts, 1)

  const three = await partner(t, [passing, respond(200, 'done')])
  assert.equal((await three.client.request('/api/v1/rate-limits')).attempts, 2)
})

test('a body that the caller changes later is sent unchanged', async (t) => {
  const { client, arrived } = await partner(t, [cutBeforeResponse, created()])
  const body = new TextEncoder().encode('{"a":1}')
  const sent = client.request('/things', { method: 'POST', body, key: 'k-1' })
  body.fill(0)
  await sent
  assert.deepEqual(
    arrived.map((request) => request.body),
    ['{"a":1}', '{"a":1}'],
  )
})

test('signedFetch sends no signature to another host', async (t) => {
  const { client, url, arrived } = await partner(t, [respond(302, '', { Location: '/orders' })])
  await assert.rejects(client.signedFetch('https://other.example/orders'), TypeError)
  await assert.rejects(client.signedFetch(url.replace('127.0.0.1', 'localhost')), TypeError)
  await assert.rejects(client.signedFetch('/orders'), TypeError)
  assert.equal(arrived.length, 1)
})

test('the error of an invalid option has its value, but never the secret', () => {
  const make = (options: object) => () =>
    createClient({ baseUrl: 'http://127.0.0.1', secret: 'hush', ...options })
  assert.throws(make({ baseUrl: 'localhost:8080' }), /baseUrl .*localhost:8080/)
  assert.throws(make({ baseUrl: 'ftp://x' }), /baseUrl/)
  assert.throws(make({ client: 'a b' }), /client .*"a b"/)
  assert.throws(make({ secret: '' }), /secret/)
  assert.throws(make({ retry: { maxAttempts: 0 } }), /retry\.maxAttempts must be from 1 to 1000, not 0/)
  assert.throws(make({ retry: { deadlineMs: Number.NaN } }), /retry\.deadlineMs/)
  assert.throws(make({ maxResponseBytes: -1 }), /maxResponseBytes .*-1/)
})
