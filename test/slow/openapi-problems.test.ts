import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { listen } from '../../internal/http/server.ts'
import { sign } from '../../internal/signature/schemes.ts'
import { ApiDocument, type DescribedOperation } from '../support/api-document.ts'
import { holdOrders } from '../support/hold-orders.ts'
import { one, type RawResponse } from '../support/raw-http.ts'
import { DEMO_SECRET, newKey, type RawOrder, signedGet, signedOrder } from '../support/raw-order.ts'
import { createDatabase, freePort, startPostgres } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'
import { until } from '../support/until.ts'

/** By the amount: a payment gateway that charges, fails to say so, or does not even response lookups. */
const AMOUNTS = { well: 1, lost: 2, silent: 3 }
const charges = new Map<string, number>()
/** For what is tried again until the machine is fast enough for it. */
const PATIENCE_MS = 120_000
const gateway = createServer((request, response) => {
  void text(request).then((body) => {
    const key = String(request.headers['idempotency-key'])
    const amount = request.method === 'POST' ? Number(JSON.parse(body).amount) : 0
    if (request.method === 'POST') charges.set(key, amount)
    const found = charges.get(String(request.url).split('/').at(-1) ?? '')
    const status =
      request.method === 'POST' ? (amount === AMOUNTS.lost ? 500 : 200) : found === AMOUNTS.silent ? 500 : 404
    response.writeHead(status).end(JSON.stringify({ id: 'ch_1', status: 'completed' }))
  })
})
const gatewayPort = await listen(gateway, '127.0.0.1', 0)

/**
 * Nine services: one that is well, one whose tables are held now and then, one without quota, one without a database,
 * one without the store of its limits, one that is broken and about to end, one whose payment gateway is as above, two
 * whose payment gateway is not there.
 */
const [database, heldNow, broken, away] = await Promise.all([
  createDatabase(),
  createDatabase(),
  createDatabase(),
  startPostgres(),
])
const RATE_LIMITS = 'client=100000/60s'
const always = { RATE_LIMITS, SIMULATED_FAILURE_RATE: '0' }
const nowhere = {
  ...always,
  DATABASE_URL: database.url,
  GATEWAY_URL: `http://127.0.0.1:${await freePort()}`,
}
const [well, held, spent, cut, blind, ending, troubled, alone, aloneToo] = await Promise.all([
  startService({ DATABASE_URL: database.url, ...always }),
  startService({ DATABASE_URL: heldNow.url, ...always }),
  startService({ DATABASE_URL: database.url, ...always, RATE_LIMITS: 'client=1/60s' }),
  startService({ DATABASE_URL: away.url, ...always }),
  startService({
    DATABASE_URL: database.url,
    ...always,
    RATE_LIMIT_ON_OUTAGE: 'closed',
    REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
    IDEMPOTENCY_STORE: 'postgres',
  }),
  startService({ DATABASE_URL: broken.url, ...always }),
  startService({ DATABASE_URL: database.url, ...always, GATEWAY_URL: `http://127.0.0.1:${gatewayPort}` }),
  startService(nowhere),
  startService(nowhere),
])
after(async () => {
  await Promise.all(
    [well, held, spent, cut, blind, ending, troubled, alone, aloneToo].map((service) => service.kill()),
  )
  gateway.close()
  gateway.closeAllConnections()
  await Promise.all([database.drop(), heldNow.drop(), broken.drop(), away.stop()])
})
const api = new ApiDocument(JSON.parse(await (await fetch(`${well.url}/openapi.json`)).text()))

/** The response of a service to the operation, with what is wrong on purpose. */
function ask(
  operation: DescribedOperation,
  change: Partial<RawOrder> = {},
  service: Service = well,
): Promise<RawResponse> {
  return one(service.port, bytesOf(operation, change), { timeoutMs: 15_000 })
}

function bytesOf({ id, method, path, signed }: DescribedOperation, change: Partial<RawOrder>): Buffer {
  const target = path
    .replace('{id}', randomUUID())
    .replace('{transaction_id}', randomUUID())
    .replace('{code}', 'rate_limited')
  if (path === '/pay') return signedOrder(payOf(change))
  if (method === 'POST')
    return signedOrder({ target, ...bodyOf(id), ...change, ...(signed ? {} : { signature: undefined }) })
  return signedGet(target, { method, ...(signed ? {} : { signature: undefined }), ...change })
}

/** What is right for operations that take no order; none: the order. */
function bodyOf(id: string): Partial<RawOrder> {
  if (id === 'addWebhookEndpoint') return { body: `{"url":"https://partner.example/${randomUUID()}"}` }
  return id === 'rotateWebhookEndpoint' ? { body: '{}' } : {}
}

/** The key in the body instead of a header. */
function payOf(change: Partial<RawOrder>): Partial<RawOrder> {
  const key = 'key' in change ? change.key : newKey()
  const { body = '{"user_id":"u","amount":1}' } = change
  const isObject = typeof body === 'string' && /^\{.*\}$/.test(body)
  const keyed = isObject ? JSON.stringify({ ...JSON.parse(body), idempotency_key: key }) : body
  return { target: '/pay', ...change, key: undefined, body: keyed }
}

const PROVOKED: Record<string, (operation: DescribedOperation) => Promise<RawResponse>> = {
  invalid_request: (operation) => ask(operation, { headers: ['Host: another'] }),
  headers_too_large: (operation) => ask(operation, { headers: [`X-Long: ${'x'.repeat(17_000)}`] }),
  request_timeout(operation) {
    const bytes = bytesOf(operation, {})
    // Without the empty line that ends the head.
    return one(well.port, bytes.subarray(0, bytes.indexOf('\r\n\r\n')), { timeoutMs: 20_000, until: 'close' })
  },
  not_acceptable: (operation) => ask(operation, { headers: ['Accept: text/html'] }),
  body_too_large: (operation) => ask(operation, { body: 'x'.repeat(70_000) }),
  unsupported_media_type: (operation) => ask(operation, { body: '{}', headers: ['Content-Encoding: gzip'] }),
  signature_missing: (operation) => ask(operation, { signature: undefined }),
  signature_invalid: (operation) => ask(operation, { signature: '0'.repeat(64) }),
  api_key_invalid: (operation) =>
    ask(operation, { signature: undefined, headers: ['Authorization: Bearer not-a-key-of-anybody'] }),
  timestamp_out_of_range: (operation) => ask(operation, { timestamp: 1 }),
  scheme_not_allowed: (operation) =>
    ask(operation, { body: '', signature: sign({ scheme: 'v0', secret: DEMO_SECRET, body: '' }) }),
  async rate_limited(operation) {
    if (operation.id === 'simulateConcurrent') return await secondSimulation(operation)
    await ask(operation, {}, spent)
    return await ask(operation, {}, spent)
  },
  idempotency_key_missing: (operation) => ask(operation, { key: undefined }),
  idempotency_key_invalid: (operation) => ask(operation, { key: operation.id === 'pay' ? '' : 'a b' }),
  async idempotency_key_reused(operation) {
    const key = newKey()
    await ask(operation, { key })
    return await ask(operation, { key, body: '{}' })
  },
  async request_in_progress(operation) {
    const pays = isPayment(operation)
    let second: RawResponse | undefined
    // On a busy machine the first may be given up before the second comes: then once more.
    await until(
      'the second request meets the first',
      async () => {
        const request = { key: newKey(), ...(pays ? { body: payment(operation) } : {}) }
        const lock = await holdOrders(heldNow.url, pays ? 'payments' : 'orders')
        const first = ask(operation, request, held)
        await Promise.race([lock.reached(1), first])
        second = await ask(operation, request, held)
        await lock.release()
        // A charge that could not leave within two seconds, here because of the lock, is given up: nothing was charged.
        return (pays ? [200, 502] : [201]).includes((await first).status) && second.status === 409
      },
      PATIENCE_MS,
    )
    assert.ok(second)
    return second
  },
  invalid_json: (operation) => ask(operation, { body: '{' }),
  validation_failed: (operation) => ask(operation, { body: '{"user_id":"u","item":"i","amount":0.001}' }),
  not_found: (operation) => (operation.signed ? ask(operation) : ask({ ...operation, path: '/problems/no' })),
  async store_unavailable(operation) {
    await gone
    // The limits are in a store of their own.
    return await ask(operation, {}, operation.id === 'getRateLimits' ? blind : cut)
  },
  backend_unreachable: (operation) => unreachable(operation),
  async circuit_open(operation) {
    await unreachable(operation)
    const send = () => ask(operation, { body: payment(operation) }, aloneFor(operation))
    let response = await send()
    for (let n = 0; n < 10 && response.status === 502; n++) response = await send()
    return response
  },
  backend_timeout: (operation) =>
    whileClosed(() => ask(operation, { body: payment(operation, 'lost') }, troubled)),
  outcome_unknown: (operation) =>
    // On a busy machine the charge may not have arrived yet: then the payment is still in progress.
    whileClosed(async () => {
      const request = { key: newKey(), body: payment(operation, 'silent') }
      await ask(operation, request, troubled)
      await forget(request.key)
      const response = await ask(operation, request, troubled)
      return response.status === 409 && response.body.includes('request_in_progress') ? undefined : response
    }),
  async shutting_down(operation) {
    await signalled
    return await ask(operation, {}, ending)
  },
  async internal_error(operation) {
    await renamed
    return await ask(operation, isPayment(operation) ? { body: payment(operation) } : {}, ending)
  },
}

function payment(operation: DescribedOperation, what: keyof typeof AMOUNTS = 'well'): string {
  // It would take its time to find out what a gateway does that is not well.
  if (operation.id === 'simulateConcurrent') return '{"requests":1}'
  const amount = AMOUNTS[what]
  return JSON.stringify(
    operation.id === 'pay'
      ? { user_id: 'u', amount }
      : { amount, currency: 'EUR', payment_method: 'pm_test_4242' },
  )
}

/** The first response that did not come of the circuit: the operations share a gateway that fails, and it may have opened. */
async function whileClosed(provoked: () => Promise<RawResponse | undefined>): Promise<RawResponse> {
  let response: RawResponse | undefined
  await until(
    'the circuit is closed, and the gateway fails as it should',
    async () => {
      response = await provoked()
      return response !== undefined && !(response.status === 503 && response.body.includes('circuit_open'))
    },
    PATIENCE_MS,
  )
  assert.ok(response)
  return response
}

/** While another one is in flight. */
async function secondSimulation(operation: DescribedOperation): Promise<RawResponse> {
  const responses = await Promise.all([1, 2, 3].map(() => ask(operation, { body: '{}' })))
  const refused = responses.find(({ status }) => status === 429)
  assert.ok(refused, 'there were several at a time')
  return refused
}

const isPayment = ({ id }: DescribedOperation) => id === 'createPayment' || id === 'pay'

/** Once for each: a second request may find the circuit open already. */
const first502 = new Map<string, Promise<RawResponse>>()
function unreachable(operation: DescribedOperation): Promise<RawResponse> {
  const send = () => ask(operation, { body: payment(operation) }, aloneFor(operation))
  if (!isPayment(operation)) return send()
  const first = first502.get(operation.id) ?? send()
  first502.set(operation.id, first)
  return first
}

/** One for each route: its circuit opens with the second payment. */
function aloneFor({ id }: DescribedOperation): Service {
  return id === 'pay' ? aloneToo : alone
}

/** As after a day in which the gateway did not say what became of it; a turn of the completer that is in flight is over. */
async function forget(key: string): Promise<void> {
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  await sql`
    UPDATE payments SET state = 'unknown', attempt = attempt + 1, lease_until = now(), response_status = NULL, response_body = NULL, settled_at = NULL,
      check_at = now() + interval '1 hour'
    WHERE idempotency_key = ${key}`
  await sql`DELETE FROM idempotency_keys WHERE key = ${key}`
  await sql.end()
}

const gone = away.kill()
const renamed = (async () => {
  const sql = postgres(broken.url, { max: 1, onnotice: () => {} })
  // A table that is missing is 503, since it may be there again: another search_path, a restore.
  await sql`ALTER TABLE orders RENAME COLUMN created_at TO gone`
  await sql`ALTER TABLE payments RENAME COLUMN created_at TO gone`
  await sql`ALTER TABLE webhook_endpoints RENAME COLUMN url TO gone`
  await sql`ALTER TABLE audit_log RENAME COLUMN entry TO gone`
  await sql.end()
})()

const all = api.operations.flatMap((operation) => operation.codes.map((each) => ({ operation, ...each })))
// Only a defect can bring these about: there is nothing to break behind a route without a store.
const impossible = all.filter(
  ({ operation, code }) =>
    code === 'internal_error' && (!operation.signed || operation.id === 'getRateLimits'),
)
const possible = all.filter((each) => !impossible.includes(each))
const [last, first] = [true, false].map((isLast) =>
  possible.filter(({ code }) => (code === 'shutting_down') === isLast),
)
/** Once the responses of a service that is broken are in. */
let signalled: Promise<void> = Promise.resolve()

describe('every problem of every operation', { concurrency: 40 }, () => {
  for (const { operation, status, code } of first ?? []) {
    test(`${operation.id} returns ${status} ${code}, as described`, () => provoke(operation, status, code))
  }
})

/** Faults of a request, and of a service, that an operation may not mind. */
const FAULTS = Object.keys(PROVOKED).filter(
  (code) => !['not_found', 'request_in_progress', 'shutting_down'].includes(code),
)

describe('no operation responds with a problem that is not described', { concurrency: 40 }, () => {
  for (const operation of api.operations) {
    for (const code of FAULTS.filter((each) => !operation.codes.some((one) => one.code === each))) {
      test(`${operation.id}, where others response ${code}`, async () => {
        const response = await PROVOKED[code]?.(operation)
        assert.ok(response)
        api.assertResponse(operation, response.status, new Headers(response.headers), response.body)
      })
    }
  }
})

describe('every problem of every operation at the end', () => {
  test('there is a request in flight, so that the service goes on', async () => {
    const socket = connect(ending.port, '127.0.0.1').on('error', () => {})
    const bytes = signedOrder()
    socket.write(bytes.subarray(0, bytes.length - 1))
    await sleep(200)
    ending.signal('SIGTERM')
    signalled = sleep(300)
    await signalled
  })
  for (const { operation, status, code } of last ?? []) {
    test(`${operation.id} returns ${status} ${code}, as described`, () => provoke(operation, status, code))
  }
})

async function provoke(operation: DescribedOperation, status: number, code: string): Promise<void> {
  const provoked = PROVOKED[code]
  assert.ok(provoked, `nobody knows how to bring ${code} about: add it to this test`)
  const response = await provoked(operation)
  const headers = new Headers(response.headers)
  assert.equal(response.status, status, response.body)
  const actual: unknown = JSON.parse(response.body)
  const example = api.examples(operation, status, 'application/problem+json').get(code)
  assert.deepEqual(fixed(actual), fixed(example))
  assert.equal(headers.has('Retry-After'), response.body.includes('retry_after_ms'))
  api.assertResponse(operation, status, headers, response.body)
}

/** What is the same each time: the names of the members, and the values that the code decides. */
function fixed(problem: unknown): object {
  assert.ok(typeof problem === 'object' && problem !== null)
  const decided = new Set(['type', 'title', 'status', 'code', 'retryable'])
  return Object.fromEntries(
    Object.entries(problem).map(([name, value]) => [name, decided.has(name) ? value : '']),
  )
}
