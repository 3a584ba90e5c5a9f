import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  idempotency,
  idempotencyEngine,
  jsonBody,
  type Middleware,
  memoryLimiter,
  parseRateLimits,
  problems,
  rateLimit,
  rawBody,
  redisStore,
  requestId,
  ServiceError,
  verifySignature,
} from '../../src/index.ts'
import { echo, LIMITS, ORDER, redis, registry, send, serve, shop } from '../support/library-app.ts'

test('of 20 concurrent copies one is executed, and every retry gets its bytes', async (t) => {
  const { url, seen } = await shop(t, async (ctx, next) => {
    await sleep(100)
    await echo(ctx, next)
  })
  const responses = await Promise.all(Array.from({ length: 20 }, () => send(url, ORDER)))
  assert.equal(seen.runs, 1)
  const first = responses.filter(({ status, replayed }) => status === 201 && !replayed)
  assert.equal(first.length, 1)
  for (const response of responses) {
    if (response.status !== 201) assert.equal(response.code, 'request_in_progress')
  }
  const again = await send(url, ORDER)
  assert.ok(again.replayed, 'the retry is a replay')
  assert.deepEqual({ ...again, replayed: false }, first[0])
  assert.deepEqual(JSON.parse(again.bytes.toString()).got, { item: 'büch', amount: 1.5 })
  assert.equal(seen.runs, 1)
})

test('a business error is stored: the retry gets it without running the handler', async (t) => {
  const { url, seen } = await shop(t, async () => {
    throw new ServiceError('validation_failed', 'No.')
  })
  const first = await send(url, ORDER)
  assert.equal(first.status, 422)
  assert.deepEqual(await send(url, ORDER), { ...first, replayed: true })
  assert.equal(seen.runs, 1)
})

test('a refusal that is not about the business frees the key', async (t) => {
  const { url, seen } = await shop(t, async (ctx, next) => {
    if (seen.runs === 1) throw new ServiceError('invalid_request', 'No.')
    await echo(ctx, next)
  })
  assert.equal((await send(url, ORDER)).status, 400)
  const second = await send(url, ORDER)
  assert.deepEqual([second.status, second.replayed], [201, false])
  assert.deepEqual(seen.attempts, [1, 1], 'nothing was left behind')
})

test('after a defect the retry runs again and is told that it is the second attempt', async (t) => {
  const { url, seen } = await shop(t, async (ctx, next) => {
    if (seen.runs === 1) throw new Error('defect')
    await echo(ctx, next)
  })
  const first = await send(url, ORDER)
  assert.deepEqual([first.status, first.code], [500, 'internal_error'])
  assert.deepEqual(seen.reported.map(String), ['Error: defect'])
  const second = await send(url, ORDER)
  assert.deepEqual([second.status, second.replayed], [201, false])
  assert.deepEqual(seen.attempts, [1, 2])
  assert.deepEqual(await send(url, ORDER), { ...second, replayed: true })
})

test('a stream that breaks off is a defect, not a response', async (t) => {
  const { url, seen } = await shop(t, async (ctx, next) => {
    if (seen.runs > 1) return await echo(ctx, next)
    ctx.body = Readable.from(
      (async function* () {
        yield 'half'
        throw new Error('the disk is gone')
      })(),
    )
  })
  assert.equal((await send(url, ORDER)).code, 'internal_error')
  assert.equal((await send(url, ORDER)).status, 201)
  assert.deepEqual(seen.attempts, [1, 2])
})

test('with hold nobody runs it again after a defect', async (t) => {
  const thrower: Middleware = async function thrower() {
    throw new Error('defect')
  }
  const { url, seen } = await shop(t, thrower, { onUnknown: 'hold' })
  assert.equal((await send(url, ORDER)).code, 'internal_error')
  for (let retry = 0; retry < 3; retry++) {
    const response = await send(url, ORDER)
    assert.deepEqual([response.status, response.code, response.replayed], [409, 'outcome_unknown', false])
  }
  assert.equal(seen.runs, 1)
})

test('another body under the same key is refused, under another key executed', async (t) => {
  const { url, seen } = await shop(t, echo)
  await send(url, ORDER)
  assert.equal((await send(url, '{"item":"pen"}')).code, 'idempotency_key_reused')
  assert.equal(seen.runs, 1)
  assert.equal((await send(url, '{"item":"pen"}', { key: 'key-2' })).status, 201)
  assert.equal(seen.runs, 2)
})

test('a request over the limit is refused, a forged one does not count', async (t) => {
  const { url, seen } = await shop(t, echo, { limits: 'client=2/60s' })
  const forged = { 'X-Signature': `t=${Math.floor(Date.now() / 1_000)},v1=${'0'.repeat(64)}` }
  for (let i = 0; i < 3; i++) {
    assert.equal((await send(url, ORDER, { headers: forged })).code, 'signature_invalid')
  }
  for (const key of ['key-1', 'key-2']) assert.equal((await send(url, ORDER, { key })).status, 201)
  assert.equal((await send(url, ORDER, { key: 'key-3' })).code, 'rate_limited')
  assert.equal(seen.runs, 2)
})

const asShop: Middleware = async function asShop(ctx, next) {
  ctx.state.caller = { client: 'shop', scheme: 'v1' }
  await next()
}

const engine = idempotencyEngine({
  store: redisStore(redis, { ttlMs: 1_000, prefix: `test-library-${randomUUID()}` }),
  leaseMs: 1_000,
  maxAgeMs: 1_000,
  onUnknown: 'hold',
})
const onceForEachKey = idempotency({ engine, scope: 'POST /things', renderError: () => {} })
const limitRate = rateLimit({
  limiter: memoryLimiter(),
  limits: parseRateLimits('client=1/60s'),
  group: 'shop',
  route: 'POST /things',
})
const verify = verifySignature({ registry, minScheme: 'v1', toleranceMs: 300_000, now: Date.now })

/** Apps with a stage left out, and the stage that the error names. */
const INCOMPLETE: [missing: RegExp, middlewares: Middleware[]][] = [
  [/rawBody must come before/, [verify]],
  [/signature middleware must come before/, [rawBody(LIMITS), limitRate]],
  [/verifySignature must come before/, [rawBody(LIMITS), onceForEachKey]],
  [/rawBody must come before/, [asShop, onceForEachKey]],
  [/rawBody must come before/, [jsonBody()]],
]

for (const [missing, middlewares] of INCOMPLETE) {
  const names = middlewares.map(({ name }) => name).join(', ')
  test(`${names} alone fails with an error that says: ${missing.source}`, async (t) => {
    const reported: unknown[] = []
    const report = problems((_, error) => reported.push(error))
    const response = await send(await serve(t, requestId(), report, ...middlewares), ORDER)
    assert.deepEqual([response.status, response.code], [500, 'internal_error'])
    assert.equal(reported.length, 1)
    assert.match(String(reported[0]), missing)
  })
}
