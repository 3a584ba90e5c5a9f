import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import type { Middleware } from '../../internal/core/request-state.ts'
import { PROBLEMS, type ProblemCode, ServiceError } from '../../internal/core/service-error.ts'
import { problems } from '../../internal/http/problems.ts'
import { requestId } from '../../internal/http/request-id.ts'
import { serveApp } from '../support/serve-app.ts'

/** One GET to an app whose last middleware is this one. */
async function responseOf(t: TestContext, middleware: Middleware) {
  const reported: unknown[] = []
  const port = await serveApp(
    t,
    requestId(),
    problems((_, error) => reported.push(error)),
    middleware,
  )
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'X-Request-Id': 'req-1' } })
  return { response, text: await response.text(), reported }
}

const thrower = (error: unknown): Middleware =>
  async function throwing() {
    throw error
  }

const CODES = Object.keys(PROBLEMS).filter((code): code is ProblemCode => code in PROBLEMS)

for (const code of CODES) {
  test(`${code} becomes its problem document`, async (t) => {
    const { response, text, reported } = await responseOf(t, thrower(new ServiceError(code, 'What to do.')))
    const { status, title, ...rest } = PROBLEMS[code]
    assert.equal(response.status, status)
    assert.equal(response.headers.get('content-type'), 'application/problem+json')
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.equal(response.headers.get('x-request-id'), 'req-1')
    assert.deepEqual(JSON.parse(text), {
      type: `/problems/${code}`,
      title,
      status,
      detail: 'What to do.',
      code,
      request_id: 'req-1',
      ...rest,
    })
    assert.equal(reported.length, status >= 500 ? 1 : 0, 'outages are reported, mistakes of partners are not')
  })
}

for (const [ms, seconds] of [
  [0, '1'],
  [1, '1'],
  [999.5, '1'],
  [1_000, '1'],
  [1_001, '2'],
  [59_999, '60'],
] as const) {
  test(`a retry after ${ms} ms is Retry-After: ${seconds}`, async (t) => {
    const { response, text } = await responseOf(
      t,
      thrower(new ServiceError('rate_limited', 'x', { retryAfterMs: ms })),
    )
    assert.equal(response.headers.get('retry-after'), seconds)
    assert.equal(JSON.parse(text).retry_after_ms, Math.ceil(ms))
  })
}

test('the response has faults and headers of an error, but not its cause', async (t) => {
  const errors = [{ pointer: '/amount', detail: 'must be more than 0' }]
  const { response, text } = await responseOf(
    t,
    thrower(
      new ServiceError('validation_failed', 'x', {
        errors,
        headers: { 'X-Extra': '1' },
        cause: new Error('hunter2'),
      }),
    ),
  )
  assert.deepEqual(JSON.parse(text).errors, errors)
  assert.equal(response.headers.get('x-extra'), '1')
  assert.doesNotMatch(text, /hunter2/)
})

for (const thrown of [
  new Error('password=hunter2'),
  Object.assign(new Error('hunter2'), { status: 422 }),
  Object.assign(new Error('hunter2'), { status: 500, expose: true }),
  Object.assign(new Error('hunter2'), { status: 200, expose: true }),
  'hunter2',
  { status: 400, message: 'hunter2' },
]) {
  test(`a thrown ${String(thrown)} is a generic 500 and reported unchanged`, async (t) => {
    const { response, text, reported } = await responseOf(t, thrower(thrown))
    assert.equal(response.status, 500)
    assert.equal(JSON.parse(text).code, 'internal_error')
    assert.doesNotMatch(text, /hunter2/)
    assert.deepEqual(reported, [thrown])
  })
}

for (const thrown of [null, undefined]) {
  test(`a thrown ${thrown} is a generic 500 and reported as text`, async (t) => {
    const { response, reported } = await responseOf(t, thrower(thrown))
    assert.equal(response.status, 500)
    assert.deepEqual(reported.map(String), [`Error: ${thrown} was thrown`])
  })
}

test('headers and body that the failed middleware had set are not sent with the problem', async (t) => {
  const source = Readable.from(['half a response'])
  const { response, text } = await responseOf(t, async (ctx) => {
    ctx.status = 201
    ctx.type = 'text/plain'
    ctx.length = 5
    ctx.body = source
    throw new ServiceError('not_found', 'x')
  })
  assert.equal(response.status, 404)
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  assert.equal(Number(response.headers.get('content-length')), text.length)
  assert.equal(JSON.parse(text).code, 'not_found')
  assert.ok(source.destroyed)
})

for (const [status, code] of [
  [404, 'not_found'],
  [405, 'method_not_allowed'],
  [501, 'method_not_allowed'],
] as const) {
  test(`an empty ${status} of the router becomes ${code}`, async (t) => {
    const { response, text } = await responseOf(t, async (ctx) => {
      ctx.status = status
    })
    assert.equal(response.status, PROBLEMS[code].status)
    assert.equal(JSON.parse(text).code, code)
  })
}

test('a response with a body is not changed, also with status 404', async (t) => {
  const { response, text } = await responseOf(t, async (ctx) => {
    ctx.status = 404
    ctx.body = 'nothing of that name'
  })
  assert.equal(response.status, 404)
  assert.equal(text, 'nothing of that name')
})

test('a path that is not percent-encoded UTF-8 is a bad request', async (t) => {
  const { response, text } = await responseOf(t, async () => {
    decodeURIComponent('%ff')
  })
  assert.equal(response.status, 400)
  assert.equal(JSON.parse(text).code, 'invalid_request')
})
