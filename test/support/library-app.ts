import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, type TestContext } from 'node:test'
import Koa from 'koa'
import { sign } from '../../internal/signature/schemes.ts'
import {
  connectRedis,
  idempotency,
  idempotencyEngine,
  type Middleware,
  memoryLimiter,
  openClientsFile,
  parsedBody,
  parseRateLimits,
  problems,
  type RequestState,
  rateLimit,
  redisStore,
  renderProblem,
  requestId,
  verifySignature,
} from '../../src/index.ts'
import { connected } from './redis-ready.ts'
import { redisUrl } from './servers.ts'

export const SECRET = 'shop-secret'
export const LIMITS = { maxBodyBytes: 1_000, timeoutMs: 5_000 }

export const redis = await connected(connectRedis(redisUrl))
const directory = mkdtempSync(join(tmpdir(), 'oncekey-library-'))
const file = join(directory, 'clients.json')
writeFileSync(file, JSON.stringify({ shop: { secrets: [SECRET] } }))
export const registry = openClientsFile({ file })
after(async () => {
  registry.close()
  rmSync(directory, { recursive: true })
  await redis.close()
})

interface Options {
  body?: Middleware
  onUnknown?: 'takeover' | 'hold'
  limits?: string
}

/** A developer's own app, put together as the library's entry says, around their own handler. */
export async function shop(t: TestContext, handler: Middleware, options: Options = {}) {
  const seen = { runs: 0, attempts: [] as number[], reported: [] as unknown[] }
  const report = (_: unknown, error: unknown) => seen.reported.push(error)
  const engine = idempotencyEngine({
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
      limiter: memoryLimiter(),
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

export async function serve(t: TestContext, ...middlewares: Middleware[]): Promise<string> {
  const app = new Koa<RequestState>()
  app.silent = true
  for (const middleware of middlewares) app.use(middleware)
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

export async function send(url: string, body: string | Buffer, sent: Sent = {}): Promise<Received> {
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

export const echo: Middleware = async function echo(ctx) {
  ctx.status = 201
  ctx.body = { got: ctx.request.body, id: randomUUID() }
}

export const ORDER = '{"item":"b\u00fcch","amount":1.50}'
