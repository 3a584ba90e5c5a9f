import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, describe, test } from 'node:test'
import Koa from 'koa'
import { audited } from '../../internal/audit/audited.ts'
import { type AuditObservation, observedEvent } from '../../internal/audit/observation.ts'
import type { Middleware, RequestState } from '../../internal/core/request-state.ts'
import { PROBLEMS, type ProblemCode, ServiceError } from '../../internal/core/service-error.ts'
import { problems, renderProblem } from '../../internal/http/problems.ts'
import { requestId } from '../../internal/http/request-id.ts'
import { freePort } from '../support/servers.ts'

const CODES = Object.keys(PROBLEMS).filter((code): code is ProblemCode => code in PROBLEMS)

/** By code, where nothing is said of the effect. A new code has to be thought about here. */
const EXPECTED: Record<ProblemCode, string> = {
  invalid_json: 'payment.refused',
  invalid_request: 'payment.refused',
  idempotency_key_missing: 'payment.refused',
  idempotency_key_invalid: 'payment.refused',
  signature_missing: 'payment.refused',
  signature_invalid: 'payment.refused',
  timestamp_out_of_range: 'payment.refused',
  api_key_invalid: 'payment.refused',
  scheme_not_allowed: 'payment.refused',
  not_found: 'payment.refused',
  method_not_allowed: 'payment.refused',
  not_acceptable: 'payment.refused',
  request_timeout: 'payment.refused',
  idempotency_key_reused: 'payment.conflict',
  request_in_progress: 'payment.conflict',
  outcome_unknown: 'payment.conflict',
  body_too_large: 'payment.refused',
  unsupported_media_type: 'payment.refused',
  validation_failed: 'payment.refused',
  rate_limited: 'payment.refused',
  headers_too_large: 'payment.refused',
  internal_error: 'payment.unresolved',
  backend_unreachable: 'payment.refused',
  store_unavailable: 'payment.refused',
  circuit_open: 'payment.refused',
  shutting_down: 'payment.refused',
  backend_timeout: 'payment.unresolved',
}

for (const code of CODES) {
  test(`${code} is ${EXPECTED[code]}`, () => {
    const { status } = PROBLEMS[code]
    const problem = { code, effect: 'none' } as const
    assert.equal(observedEvent({ status, replayed: false, problem }), EXPECTED[code])
  })
}

test('a request that may have taken effect is not recorded as refused', () => {
  const problem = { code: 'store_unavailable', effect: 'unknown' } as const
  assert.equal(observedEvent({ status: 503, replayed: false, problem }), 'payment.unresolved')
})

test('a first response, also a decline, is nothing to observe, and its replay is', () => {
  for (const status of [200, 402]) {
    assert.equal(observedEvent({ status, replayed: false, problem: undefined }), undefined)
    assert.equal(observedEvent({ status, replayed: true, problem: undefined }), 'payment.replayed')
  }
})

describe('the middleware', () => {
  const seen: AuditObservation[] = []
  let handler: Middleware = async () => {}
  let caller: RequestState['caller']
  const report = () => {}
  const app = new Koa<RequestState>()
  app.silent = true
  app.use(requestId()).use(problems(report))
  app.use(async (ctx, next) => {
    if (caller !== undefined) ctx.state.caller = caller
    await next()
  })
  app.use(audited({ observe: (one) => seen.push(one), route: 'POST /pay' }))
  app.use((ctx, next) => handler(ctx, next))
  const server = createServer(app.callback())
  after(() => server.close())

  const url = (async () => {
    const port = await freePort()
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${port}/`
  })()

  async function ask(run: Middleware, headers: [string, string][] = [], client: string | undefined = 'acme') {
    seen.length = 0
    handler = run
    caller = client === '' ? undefined : { client, scheme: 'v1' }
    const response = await fetch(await url, {
      method: 'POST',
      body: '{"payment_method":"4242424242424242"}',
      headers: [...headers, ['X-Request-Id', 'asked'], ['Authorization', 'Bearer super-secret']],
    })
    return { status: response.status, body: await response.text(), seen: [...seen] }
  }

  const fails =
    (error: unknown): Middleware =>
    async () => {
      throw error
    }
  const limited = new ServiceError('rate_limited', 'The limit is used up.', { retryAfterMs: 1_000 })

  test('writes what a refusal was, with the key, and passes it on', async () => {
    const response = await ask(fails(limited), [['Idempotency-Key', 'key-000000000001']])
    assert.equal(response.status, 429)
    assert.match(response.body, /rate_limited/)
    assert.deepEqual(response.seen, [
      {
        client: 'acme',
        eventType: 'payment.refused',
        requestId: 'asked',
        route: 'POST /pay',
        status: 429,
        code: 'rate_limited',
        key: 'key-000000000001',
      },
    ])
  })

  test('records nothing of a request without a caller', async () => {
    const { status, seen } = await ask(fails(limited), [], '')
    assert.deepEqual([status, seen], [429, []])
  })

  test('sees a problem that an inner middleware has already rendered', async () => {
    const { seen } = await ask(async (ctx) => {
      const error = new ServiceError('backend_timeout', 'No response.', { effect: 'unknown' })
      renderProblem(ctx, error, report)
    })
    assert.deepEqual(
      [seen[0]?.eventType, seen[0]?.code, seen[0]?.status],
      ['payment.unresolved', 'backend_timeout', 504],
    )
  })

  test('records a defect as the 500 that it becomes', async () => {
    const { status, seen } = await ask(fails(new TypeError('of undefined')))
    assert.equal(status, 500)
    assert.deepEqual(
      [seen[0]?.eventType, seen[0]?.code, seen[0]?.status],
      ['payment.unresolved', 'internal_error', 500],
    )
  })

  test('writes a replay with its status, whatever its response was', async () => {
    const { seen } = await ask(async (ctx) => {
      ctx.state.attempt = {
        key: 'of the attempt',
        fingerprint: '',
        number: 1,
        replayed: true,
        signal: new AbortController().signal,
        dispatched: async () => {},
      }
      renderProblem(ctx, new ServiceError('validation_failed', 'No.'), report)
      ctx.set('Idempotent-Replayed', 'true')
    })
    assert.deepEqual(
      [seen[0]?.eventType, seen[0]?.status, seen[0]?.code, seen[0]?.key],
      ['payment.replayed', 422, undefined, 'of the attempt'],
    )
  })

  test('records nothing of a first response', async () => {
    const { status, seen } = await ask(async (ctx) => {
      ctx.status = 402
      ctx.body = {}
    })
    assert.equal(status, 402)
    assert.deepEqual(seen, [])
  })

  for (const [what, headers, key] of [
    ['in quotes', [['Idempotency-Key', '"abc_-1"']], 'abc_-1'],
    ['that is not valid', [['Idempotency-Key', 'a key']], undefined],
    ['that is too long', [['Idempotency-Key', 'k'.repeat(256)]], undefined],
    ['that is a card number in disguise', [['Idempotency-Key', '4242 4242 4242 4242']], undefined],
    ['that is empty', [['Idempotency-Key', '']], undefined],
    ['that is not there', [], undefined],
  ] as [string, [string, string][], string | undefined][]) {
    test(`writes of a key ${what} ${key ?? 'nothing'}`, async () => {
      assert.equal((await ask(fails(limited), headers)).seen[0]?.key, key)
    })
  }

  test('writes nothing of credentials, bodies and payment methods', async () => {
    const { seen } = await ask(fails(limited))
    assert.doesNotMatch(JSON.stringify(seen), /secret|Bearer|4242/)
  })
})
