import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import Koa from 'koa'
import { sign } from '../../internal/signature/schemes.ts'
import {
  connectRedis,
  IdempotencyEngine,
  idempotency,
  jsonBody,
  MemoryLimiter,
  openClientsFile,
  parsedBody,
  parseRateLimits,
  problems,
  type RequestState,
  rateLimit,
  rawBody,
  redisStore,
  renderProblem,
  requestId,
  ServiceError,
  type Stage,
  verifySignature,
} from '../../src/index.ts'
import { connected } from '../support/redis-ready.ts'
import { redisUrl } from '../support/servers.ts'

const SECRET = 'shop-secret'
const LIMITS = { maxBodyBytes: 1_000, timeoutMs: 5_000 }

const redis = await connected(connectRedis(redisUrl))
const directory = mkdtempSync(join(tmpdir(), 'oncekey-library-'))
const file = join(directory, 'clients.json')
writeFileSync(file, JSON.stringify({ shop: { secrets: [SECRET] } }))
const registry = openClientsFile({ file })
after(async () => {
  registry.close()
  rmSync(directory, { recursive: true })
  await redis.close()
})

interface Options {
  body?: Stage
  onUnknown?: 'takeover' | 'hold'
  limits?: string
}

/** A developer's own app, put together as the library's entry says, around their own handler. */
async function shop(t: TestContext, handler: Stage, options: Options = {}) {
  const seen = { runs: 0, attempts: [] as number[], reported: [] as unknown[] }
  const report = (_: unknown, error: unknown) => seen.reported.push(error)
  const engine = new IdempotencyEngine({
    store: redisStore(redis, { ttlMs: 60_000, prefix: `test-library-${randomUUID()}` }),
    leaseMs: 30_000,
    maxAgeMs: 60_000,
    onUnknown: options.onUnknown ?? 'takeover',
  })
  const url = await serve(
    t,
    requestId(),
    problems(report),
    options.body ?? parsedBody(LIMITS),
    verifySignature({ registry, minScheme: 'v1', toleranceMs: 300_000, now: Date.now }),
    rateLimit({
      limiter: new MemoryLimiter({ now: Date.now }),
      limits: parseRateLimits(options.limits ?? 'client=1000/60s'),
      group: 'shop',
      route: 'POST /things',
    }),
    idempotency({
      engine,
      scope: 'POST /things',
      renderError: (ctx, error) => renderProblem(ctx, error, report),
    }),
    async (ctx, next) => {
      seen.runs++
      seen.attempts.push(ctx.state.attempt?.number ?? 0)
      await handler(ctx, next)
    },
  )
  return { url, seen }
}

async function serve(t: TestContext, ...stages: Stage[]): Promise<string> {
  const app = new Koa<RequestState>()
  app.silent = true
  for (const stage of stages) app.use(stage)
  const server = createServer(app.callback()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null, 'it listens on TCP')
  return `http://127.0.0.1:${address.port}/things`
}

interface Sent {
  key?: string
  type?: string
  chunked?: boolean
  headers?: Record<string, string>
}

interface Received {
  status: number
  /** Those that a replay must repeat. */
  headers: Record<string, string | null>
  replayed: boolean
  bytes: Buffer
  code: string | undefined
}

async function send(url: string, body: string | Buffer, sent: Sent = {}): Promise<Received> {
  const { key = 'key-1', type = 'application/json', chunked = false } = sent
  const signature = sign({
    scheme: 'v1',
    secret: SECRET,
    timestamp: Math.floor(Date.now() / 1_000),
    method: 'POST',
    target: '/things',
    client: 'shop',
    key,
    body,
  })
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'Content-Type': type,
      'X-Client-Id': 'shop',
      'X-Signature': signature,
      'Idempotency-Key': key,
      ...sent.headers,
    },
    ...(chunked ? { body: Readable.toWeb(Readable.from(pieces(body))), duplex: 'half' } : { body }),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  const problem = response.headers.get('content-type') === 'application/problem+json'
  return {
    status: response.status,
    headers: {
      'content-type': response.headers.get('content-type'),
      location: response.headers.get('location'),
      'content-length': response.headers.get('content-length'),
    },
    replayed: response.headers.get('idempotent-replayed') === 'true',
    bytes,
    code: problem ? JSON.parse(bytes.toString()).code : undefined,
  }
}

function pieces(body: string | Buffer): Buffer[] {
  const bytes = Buffer.from(body)
  return Array.from({ length: Math.ceil(bytes.length / 100) }, (_, i) =>
    bytes.subarray(i * 100, i * 100 + 100),
  )
}

const echo: Stage = async function echo(ctx) {
  ctx.status = 201
  ctx.body = { got: ctx.request.body, id: randomUUID() }
}

const ORDER = '{"item":"b\u00fcch","amount":1.50}'

test('of 20 concurrent copies one is executed, and every retry gets its bytes', async (t) => {
  const { url, seen } = await shop(t, async (ctx, next) => {
    await sleep(100)
    await echo(ctx, next)
  })
  const answers = await Promise.all(Array.from({ length: 20 }, () => send(url, ORDER)))
  assert.equal(seen.runs, 1)
  const first = answers.filter(({ status, replayed }) => status === 201 && !replayed)
  assert.equal(first.length, 1)
  for (const answer of answers) {
    if (answer.status !== 201) assert.equal(answer.code, 'request_in_progress')
  }
  const again = await send(url, ORDER)
  assert.ok(again.replayed, 'the retry is a replay')
  assert.deepEqual({ ...again, replayed: false }, first[0])
  assert.deepEqual(JSON.parse(again.bytes.toString()).got, { item: 'büch', amount: 1.5 })
  assert.equal(seen.runs, 1)
})

const BINARY = randomBytes(500)

/** Every kind of body that Koa knows, made anew by each run: what is replayed cannot be the same object. */
const BODIES: [what: string, make: () => unknown, bytes: Buffer | string, type: string | null][] = [
  ['an object', () => ({ z: 1, a: [2.5, 'ü'] }), '{"z":1,"a":[2.5,"ü"]}', 'application/json; charset=utf-8'],
  ['an array', () => [1, null], '[1,null]', 'application/json; charset=utf-8'],
  ['a string', () => 'grüße', 'grüße', 'text/plain; charset=utf-8'],
  ['HTML', () => '<p>ü</p>', '<p>ü</p>', 'text/html; charset=utf-8'],
  ['a Buffer', () => BINARY, BINARY, 'application/octet-stream'],
  [
    'a stream',
    () => Readable.from([BINARY, BINARY]),
    Buffer.concat([BINARY, BINARY]),
    'application/octet-stream',
  ],
  ['a web stream', () => new Blob([BINARY]).stream(), BINARY, 'application/octet-stream'],
  ['a Blob', () => new Blob([BINARY], { type: 'image/png' }), BINARY, 'image/png'],
  ['an empty string', () => '', '', 'text/plain; charset=utf-8'],
  ['an empty Buffer', () => Buffer.alloc(0), '', 'application/octet-stream'],
]

for (const [what, make, bytes, type] of BODIES) {
  test(`${what} is answered as Koa would, and replayed byte for byte`, async (t) => {
    const { url, seen } = await shop(t, async (ctx) => {
      ctx.status = 201
      ctx.set('Location', '/things/1')
      ctx.body = make()
    })
    const first = await send(url, ORDER)
    assert.equal(first.status, 201)
    assert.deepEqual(first.bytes, Buffer.from(bytes))
    assert.equal(first.headers['content-type'], type)
    assert.equal(first.headers.location, '/things/1')
    assert.ok(!first.replayed, 'the first answer is no replay')
    assert.deepEqual(await send(url, ORDER), { ...first, replayed: true })
    assert.equal(seen.runs, 1)
  })
}

test('a Response of fetch is answered and replayed', async (t) => {
  const { url, seen } = await shop(t, async (ctx) => {
    ctx.body = new Response(BINARY, { status: 202, headers: { 'Content-Type': 'image/png' } })
  })
  const first = await send(url, ORDER)
  assert.equal(first.status, 202)
  assert.deepEqual(first.bytes, BINARY)
  assert.equal(first.headers['content-type'], 'image/png')
  assert.deepEqual(await send(url, ORDER), { ...first, replayed: true })
  assert.equal(seen.runs, 1)
})

test('204 without a body is replayed as such', async (t) => {
  const { url, seen } = await shop(t, async (ctx) => {
    ctx.status = 204
  })
  const first = await send(url, ORDER)
  assert.deepEqual([first.status, first.bytes.length, first.headers['content-type']], [204, 0, null])
  assert.deepEqual(await send(url, ORDER), { ...first, replayed: true })
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

test('a stream that breaks off is a defect, not an answer', async (t) => {
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
  const thrower: Stage = async function thrower() {
    throw new Error('defect')
  }
  const { url, seen } = await shop(t, thrower, { onUnknown: 'hold' })
  assert.equal((await send(url, ORDER)).code, 'internal_error')
  for (let retry = 0; retry < 3; retry++) {
    const answer = await send(url, ORDER)
    assert.deepEqual([answer.status, answer.code, answer.replayed], [409, 'outcome_unknown', false])
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

for (const chunked of [false, true]) {
  const how = chunked ? 'chunked' : 'with its length'

  test(`a binary body, ${how}, reaches the handler as it was sent`, async (t) => {
    const received: Buffer[] = []
    const keep: Stage = async function keep(ctx) {
      received.push(ctx.state.body?.bytes ?? Buffer.alloc(0))
      ctx.body = ctx.state.body?.bytes
    }
    for (const body of [rawBody(LIMITS), parsedBody(LIMITS)]) {
      const { url } = await shop(t, keep, { body })
      const answer = await send(url, BINARY, { type: 'application/octet-stream', chunked })
      assert.deepEqual([answer.status, answer.bytes], [200, BINARY])
    }
    assert.deepEqual(received, [BINARY, BINARY])
  })

  for (const [name, stage] of [
    ['rawBody', rawBody],
    ['parsedBody', parsedBody],
  ] as const) {
    test(`${name} takes a body of exactly the limit, ${how}, and refuses one byte more`, async (t) => {
      const { url, seen } = await shop(t, echo, { body: stage(LIMITS) })
      const body = JSON.stringify({ text: 'x'.repeat(1_000 - '{"text":""}'.length) })
      assert.equal(body.length, 1_000)
      assert.equal((await send(url, body, { chunked })).status, 201)
      const answer = await send(url, `${body} `, { key: 'key-2', chunked })
      assert.deepEqual([answer.status, answer.code], [413, 'body_too_large'])
      const large = await send(url, `{"text":"${'x'.repeat(300_000)}"}`, { key: 'key-2', chunked })
      assert.deepEqual([large.status, large.code], [413, 'body_too_large'])
      assert.equal(seen.runs, 1)
    })
  }
}

const BAD_BODIES: [what: string, body: string | Buffer, headers: Record<string, string>, code: string][] = [
  ['text that is not JSON', '{"a":', {}, 'invalid_json'],
  ['JSON that is no object', '"text"', {}, 'invalid_json'],
  ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]), {}, 'invalid_json'],
  ['a poisoned prototype', '{"__proto__":{"a":1}}', {}, 'invalid_json'],
  ['a compressed body', Buffer.from([0x1f, 0x8b]), { 'Content-Encoding': 'gzip' }, 'unsupported_media_type'],
]

for (const [what, body, headers, code] of BAD_BODIES) {
  test(`parsedBody refuses ${what} with ${code}`, async (t) => {
    const { url, seen } = await shop(t, echo)
    assert.equal((await send(url, body, { headers })).code, code)
    assert.deepEqual([seen.runs, seen.reported], [0, []])
  })
}

const asShop: Stage = async function asShop(ctx, next) {
  ctx.state.caller = { client: 'shop', scheme: 'v1' }
  await next()
}

const engine = new IdempotencyEngine({
  store: redisStore(redis, { ttlMs: 1_000, prefix: `test-library-${randomUUID()}` }),
  leaseMs: 1_000,
  maxAgeMs: 1_000,
  onUnknown: 'hold',
})
const onceForEachKey = idempotency({ engine, scope: 'POST /things', renderError: () => {} })
const limitRate = rateLimit({
  limiter: new MemoryLimiter({ now: Date.now }),
  limits: parseRateLimits('client=1/60s'),
  group: 'shop',
  route: 'POST /things',
})
const verify = verifySignature({ registry, minScheme: 'v1', toleranceMs: 300_000, now: Date.now })

/** Apps with a stage left out, and the stage that the error names. */
const INCOMPLETE: [missing: RegExp, stages: Stage[]][] = [
  [/rawBody must come before/, [verify]],
  [/signature stage must come before/, [rawBody(LIMITS), limitRate]],
  [/verifySignature must come before/, [rawBody(LIMITS), onceForEachKey]],
  [/rawBody must come before/, [asShop, onceForEachKey]],
  [/rawBody must come before/, [jsonBody()]],
]

for (const [missing, stages] of INCOMPLETE) {
  const names = stages.map(({ name }) => name).join(', ')
  test(`${names} alone fails with an error that says: ${missing.source}`, async (t) => {
    const reported: unknown[] = []
    const report = problems((_, error) => reported.push(error))
    const answer = await send(await serve(t, requestId(), report, ...stages), ORDER)
    assert.deepEqual([answer.status, answer.code], [500, 'internal_error'])
    assert.equal(reported.length, 1)
    assert.match(String(reported[0]), missing)
  })
}
