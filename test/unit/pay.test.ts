import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { type Attempt, type Middleware, required } from '../../internal/core/request-state.ts'
import { type FieldFault, ServiceError } from '../../internal/core/service-error.ts'
import { jsonBody, parsedJson } from '../../internal/http/json-body.ts'
import { parseJsonText } from '../../internal/http/json-text.ts'
import { parsedBody } from '../../internal/http/parsed-body.ts'
import { problems } from '../../internal/http/problems.ts'
import { rawBody } from '../../internal/http/raw-body.ts'
import { keyInBody } from '../../internal/idempotency/idempotency-key.ts'
import { countPaymentRequests } from '../../internal/payments/count-payment-requests.ts'
import { isSimulatedFailure, pay } from '../../internal/payments/pay.ts'
import type { PaymentIntent } from '../../internal/payments/pay-once.ts'
import { parsePayRequest } from '../../internal/payments/pay-request.ts'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { serveApp } from '../support/serve-app.ts'

const PAYMENT = { user_id: 'user-1', amount: 500, idempotency_key: 'key-1' }
const LIMITS = { maxBodyBytes: 65_536, timeoutMs: 5_000 }
const parse = (text: string) => parsePayRequest(parseJsonText(Buffer.from(text)))
const payWith = (changes: Record<string, unknown>) => JSON.stringify({ ...PAYMENT, ...changes })

describe('a payment of the simple route', () => {
  test('is its three members, the amount as exact decimal text', () => {
    assert.deepEqual(parse(JSON.stringify(PAYMENT)), { ...PAYMENT, amount: '500' })
    const exact = '{"user_id":"u","amount":1234567890123.45,"idempotency_key":"k"}'
    assert.deepEqual(parse(exact), { user_id: 'u', amount: '1234567890123.45', idempotency_key: 'k' })
    assert.equal(parse(payWith({ amount: '19.90' })).amount, '19.9')
  })

  const REFUSED: [what: string, body: string, pointer: string][] = [
    ['an array', '[]', ''],
    ['null', 'null', ''],
    ['no user_id', payWith({ user_id: undefined }), '/user_id'],
    ['a user_id that is a number', payWith({ user_id: 1 }), '/user_id'],
    ['an empty user_id', payWith({ user_id: '' }), '/user_id'],
    ['256 characters of user_id', payWith({ user_id: 'u'.repeat(256) }), '/user_id'],
    ['a line feed in user_id', payWith({ user_id: 'a\nb' }), '/user_id'],
    ['a lone surrogate in user_id', payWith({ user_id: '\ud800' }), '/user_id'],
    ['no amount', payWith({ amount: undefined }), '/amount'],
    ['three decimals', payWith({ amount: '0.001' }), '/amount'],
    ['three decimals, as a number', '{"user_id":"u","amount":1.000,"idempotency_key":"k"}', '/amount'],
    ['an amount of zero', payWith({ amount: 0 }), '/amount'],
    ['a negative amount', payWith({ amount: -1 }), '/amount'],
    ['16 digits', '{"user_id":"u","amount":1234567890123456,"idempotency_key":"k"}', '/amount'],
    ['1e400', '{"user_id":"u","amount":1e400,"idempotency_key":"k"}', '/amount'],
    ['an amount that is true', payWith({ amount: true }), '/amount'],
    ['an amount in words', payWith({ amount: 'five' }), '/amount'],
    ['a currency', payWith({ currency: 'EUR' }), '/currency'],
    ['a key that is a number', payWith({ idempotency_key: 1 }), '/idempotency_key'],
  ]
  for (const [what, body, pointer] of REFUSED) {
    test(`with ${what} is refused`, () => {
      assert.ok(faultsOf(() => parse(body)).some((fault) => fault.pointer === pointer))
    })
  }
})

function faultsOf(act: () => unknown): FieldFault[] {
  try {
    act()
  } catch (error) {
    assert.ok(error instanceof ServiceError && error.code === 'validation_failed', String(error))
    return error.errors ?? []
  }
  assert.fail('it was taken')
}

const JSON_TYPE = { 'Content-Type': 'application/json' }

/** Returns the parsed body, or the problem. */
async function reader(t: TestContext, ...middlewares: Middleware[]) {
  const show: Middleware = async (ctx) => {
    const { value, numbers } = required(ctx, 'json', 'parsedJson')
    ctx.body = { value, numbers: ['/a', '/b/0', '/1'].map((pointer) => numbers.get(pointer)) }
  }
  const port = await serveApp(
    t,
    problems(() => {}),
    ...middlewares,
    show,
  )
  return async (body: string | Buffer, headers: Record<string, string> = JSON_TYPE) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body, headers })
    const text = await response.text()
    return response.ok ? text : `${response.status} ${JSON.parse(text).code}`
  }
}

test('a body parsed by koa-bodyparser gives the same exact amounts', async (t) => {
  const theirs = await reader(t, parsedBody(LIMITS), parsedJson())
  const ours = await reader(t, rawBody(LIMITS), jsonBody())
  for (const body of [
    '{"a":1.10,"b":[1e2,{"c":"\\u00fc ✓"}]}',
    '{"a":1,"a":2}',
    '{"a":{"b":1,"\\u0062":2}}',
    '{"a":',
    '',
    ' ',
    '\ufeff{"a":1}',
    Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    '['.repeat(100) + ']'.repeat(100),
    '{"a":1} x',
    '[1,2.50]',
  ]) {
    assert.equal(await theirs(body), await ours(body), String(body).slice(0, 40))
  }
  for (const type of [
    'text/plain',
    'application/json; charset=latin1',
    'application/x-www-form-urlencoded',
  ]) {
    const headers = { 'Content-Type': type }
    assert.equal(await theirs('{"a":1}', headers), '415 unsupported_media_type', type)
  }
  const relative = { 'Content-Type': 'application/own+json' }
  assert.equal(await theirs('{"a":1.0}', relative), await ours('{"a":1.0}', relative))
  // Stricter: a reader that merges objects would be led astray.
  assert.equal(await theirs('{"__proto__":{"a":1}}'), '400 invalid_json')
})

describe('the key in the body', () => {
  const of = async (t: TestContext, body: unknown, header?: string) => {
    const show: Middleware = async (ctx) => {
      ctx.body = keyInBody('idempotency_key')(ctx)
    }
    const port = await serveApp(
      t,
      problems(() => {}),
      rawBody(LIMITS),
      jsonBody(),
      show,
    )
    const headers = { ...JSON_TYPE, ...(header === undefined ? {} : { 'Idempotency-Key': header }) }
    const init = { method: 'POST', body: JSON.stringify(body), headers }
    const response = await fetch(`http://127.0.0.1:${port}/`, init)
    const text = await response.text()
    return response.ok ? text : `${response.status} ${JSON.parse(text).code}`
  }
  const TABLE: [what: string, key: unknown, header: string | undefined, response: string][] = [
    ['is taken', 'key-1', undefined, 'key-1'],
    ['may have spaces and quotes', 'a "b", c', undefined, 'a "b", c'],
    ['may have 255 characters', 'k'.repeat(255), undefined, 'k'.repeat(255)],
    ['may be repeated by the header', 'key-1', 'key-1', 'key-1'],
    ['may be repeated in quotes', 'a b', '"a b"', 'a b'],
    ['is missing', undefined, undefined, '400 idempotency_key_missing'],
    ['is missing, whatever the header says', undefined, 'key-1', '400 idempotency_key_missing'],
    ['must agree with the header', 'key-1', 'key-2', '400 idempotency_key_invalid'],
    ['must agree with a valid header', 'a b', 'a b', '400 idempotency_key_invalid'],
    ['must not be empty', '', undefined, '400 idempotency_key_invalid'],
    ['must not have 256 characters', 'k'.repeat(256), undefined, '400 idempotency_key_invalid'],
    ['must be ASCII', 'kéy', undefined, '400 idempotency_key_invalid'],
    ['must have no line feed', 'a\nb', undefined, '400 idempotency_key_invalid'],
    ['must have no line feed at its end', 'a\n', undefined, '400 idempotency_key_invalid'],
    ['must be a string', 17, undefined, '400 idempotency_key_invalid'],
    ['must not be null', null, undefined, '400 idempotency_key_invalid'],
    ['must not be a list', ['key-1'], undefined, '400 idempotency_key_invalid'],
  ]
  for (const [what, key, header, response] of TABLE) {
    test(what, async (t) => {
      assert.equal(await of(t, { ...PAYMENT, idempotency_key: key }, header), response)
    })
  }
  test('needs an object', async (t) => {
    for (const body of [[], null, 'key', 1]) assert.equal(await of(t, body), '422 validation_failed')
  })
})

/** The same payment so many times: `x` for a failure on purpose. What is not one fails the test. */
async function payMany(t: TestContext, failureRate: number, times: number, number = 1) {
  const paid: PaymentIntent[] = []
  const counts = { requests: 0, failed: 0 }
  const before: Middleware = async (ctx, next) => {
    ctx.state.caller = { client: 'anonymous', scheme: 'open' }
    const attempt: Attempt = {
      key: 'key-1',
      fingerprint: 'f'.repeat(64),
      number,
      replayed: false,
      signal: new AbortController().signal,
      dispatched: async () => {},
    }
    ctx.state.attempt = attempt
    ctx.state.json = { value: PAYMENT, numbers: new Map([['/amount', '500']]) }
    await next()
  }
  const port = await serveApp(
    t,
    problems((_, error) => assert.ok(isSimulatedFailure(error), String(error))),
    countPaymentRequests({ onRequest: () => counts.requests++, onFailed: () => counts.failed++ }),
    before,
    pay({
      async payOnce(intent) {
        paid.push(intent)
        return { id: 'id-1', response: { status: 402, body: Buffer.from('{}') }, replayed: false }
      },
      known: async (_, refusal) => {
        throw refusal
      },
      failureRate,
      random: seeded('seed-1'),
    }),
  )
  let pattern = ''
  for (let n = 0; n < times; n++) {
    const response = await fetch(`http://127.0.0.1:${port}/`)
    const problem: unknown = await response.json()
    pattern += response.status === 402 ? '.' : 'x'
    if (response.status === 402) continue
    assert.equal(response.status, 500)
    assert.ok(typeof problem === 'object' && problem !== null)
    assert.deepEqual(
      { ...problem, detail: '', request_id: '' },
      {
        type: '/problems/internal_error',
        title: 'Internal error',
        status: 500,
        detail: '',
        code: 'internal_error',
        request_id: '',
        retryable: true,
        retry_after_ms: 100,
      },
    )
  }
  return { pattern, paid, counts }
}

test('simulated failures follow the seed, come before a payment, and are counted', async (t) => {
  const { pattern, paid, counts } = await payMany(t, 0.3, 40)
  const random = seeded('seed-1')
  assert.equal(pattern, Array.from({ length: 40 }, () => (random() < 0.3 ? 'x' : '.')).join(''))
  const failed = pattern.split('x').length - 1
  assert.ok(failed >= 5 && failed <= 20, pattern)
  assert.equal(paid.length, 40 - failed)
  assert.deepEqual(counts, { requests: 40, failed })
  const { scope, key, amount, userId, currency, paymentMethod } = paid[0] ?? {}
  assert.deepEqual([scope, key, amount, userId], ['POST /pay', 'key-1', '500', 'user-1'])
  assert.deepEqual([currency, paymentMethod], [undefined, undefined])
})

test('a rate of 0 fails none, a rate of 1 all', async (t) => {
  assert.equal((await payMany(t, 0, 10)).pattern, '.'.repeat(10))
  assert.equal((await payMany(t, 1, 10)).pattern, 'x'.repeat(10))
})

test('no failure is simulated after an attempt with an open outcome', async (t) => {
  assert.equal((await payMany(t, 1, 10, 2)).pattern, '.'.repeat(10))
})

test('a defect is no simulated failure', () => {
  for (const error of [new Error('x'), new ServiceError('internal_error', 'x'), undefined]) {
    assert.equal(isSimulatedFailure(error), false)
  }
})
