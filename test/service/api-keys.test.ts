import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { assertProblem, exchange, one, type RawResponse } from '../support/raw-http.ts'
import { newKey, signedGet, signedOrder } from '../support/raw-order.ts'
import { freePort } from '../support/servers.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const KEY = 'test-api-key'
const NEXT_KEY = 'a-next-key-of-default'
const STANDING = '/api/v1/rate-limits'
const away = `redis://127.0.0.1:${await freePort()}`
const outage = (onOutage: string) =>
  startServiceOnDatabase({
    REDIS_URL: away,
    IDEMPOTENCY_STORE: 'postgres',
    RATE_LIMIT_ON_OUTAGE: onOutage,
  })
const [demo, shared, open, closed] = await Promise.all([
  startServiceOnDatabase(),
  // The user is the signing client of the demo: one principal.
  startServiceOnDatabase({ API_KEYS: `default:${NEXT_KEY}`, RATE_LIMITS: 'client=3/60s,endpoint=2/60s' }),
  outage('open'),
  outage('closed'),
])
after(() => Promise.all([demo, shared, open, closed].map((one) => one.close())))

function get(port: number, target: string, ...lines: string[]): Promise<RawResponse> {
  return one(port, `${['GET', target, 'HTTP/1.1\r\nHost: a\r\n'].join(' ')}${lines.join('\r\n')}\r\n\r\n`)
}

function withKey(port: number, key = KEY, target = STANDING): Promise<RawResponse> {
  return get(port, target, `Authorization: Bearer ${key}`)
}

const delays = z.array(z.number())
const retryConfig = z.looseObject({ example_delays_ms: delays, example_delays_with_jitter_ms: delays })

interface Shown {
  limits: Record<string, unknown>[]
  tightest: string | null
}

function shown(response: RawResponse): Shown {
  assert.equal(response.status, 200, response.body)
  assert.equal(response.header('content-type'), 'application/json; charset=utf-8')
  assert.equal(response.header('cache-control'), 'no-store')
  return JSON.parse(response.body)
}

const remaining = ({ limits }: Shown) => limits.map((limit) => `${limit.name} ${limit.remaining}`)

test('the demo shows the four limits of /api/v1 to an API key, and to a signature', async () => {
  for (const response of [await withKey(demo.port), await one(demo.port, signedGet(STANDING))]) {
    const { limits, tightest } = shown(response)
    const nowMs = Date.now()
    for (const { reset_at, reset_after_ms } of limits) {
      assert.equal(reset_after_ms, 0, 'nothing is used')
      assert.ok(Math.abs(Date.parse(String(reset_at)) - nowMs) < 30_000, String(reset_at))
    }
    const rest = { allowed: true, reset_after_ms: 0, retry_after_ms: 0 }
    assert.deepEqual(
      limits.map(({ reset_at: _, ...limit }) => limit),
      [
        {
          name: 'global',
          scope: 'global',
          algorithm: 'sliding-window',
          quota: 1_000,
          window_ms: 60_000,
          remaining: 1_000,
          ...rest,
        },
        {
          name: 'client-60s',
          scope: 'client',
          algorithm: 'sliding-window',
          quota: 100,
          window_ms: 60_000,
          remaining: 100,
          ...rest,
        },
        {
          name: 'endpoint',
          scope: 'endpoint',
          algorithm: 'sliding-window',
          quota: 10,
          window_ms: 60_000,
          remaining: 10,
          ...rest,
        },
        {
          name: 'client-1s',
          scope: 'client',
          algorithm: 'token-bucket',
          quota: 20,
          window_ms: 1_000,
          burst: 50,
          remaining: 50,
          ...rest,
        },
      ],
    )
    assert.equal(tightest, 'endpoint')
    assert.equal(response.header('x-ratelimit-limit'), '10')
    assert.equal(response.header('x-ratelimit-remaining'), '10')
    assert.match(response.header('x-ratelimit-reset'), /^\d{10}$/)
    assert.equal(
      response.header('ratelimit-policy'),
      '"global";q=1000;w=60, "client-60s";q=100;w=60, "endpoint";q=10;w=60, "client-1s";q=20;w=1;burst=50',
    )
    assert.match(response.header('ratelimit'), /^"global";r=1000;t=0, "client-60s";r=100;/)
  }
})

test('looking uses nothing, and orders have limits of their own', async () => {
  for (let n = 0; n < 30; n++) await withKey(demo.port)
  assert.equal((await one(demo.port, signedOrder())).status, 201)
  const before = ['global 1000', 'client-60s 100', 'endpoint 10', 'client-1s 50']
  assert.deepEqual(remaining(shown(await one(demo.port, signedGet(STANDING)))), before)
  assert.deepEqual(remaining(shown(await withKey(demo.port))), before)
})

test('RATE_LIMITS is one set for all routes, and a key and a client of one name share it', async () => {
  const standing = async () => shown(await withKey(shared.port, NEXT_KEY))
  assert.deepEqual(remaining(await standing()), ['client 3', 'endpoint 2'])
  for (const status of [201, 201, 429]) {
    const response = await one(shared.port, signedOrder({ key: newKey() }))
    assert.equal(response.status, status, response.body)
  }
  const after = await standing()
  // Orders are another route than the one that is asked about.
  assert.deepEqual(remaining(after), ['client 1', 'endpoint 2'])
  assert.equal(after.tightest, 'client')
  assert.equal((await one(shared.port, signedGet('/orders?limit=1'))).status, 200)
  const spent = await withKey(shared.port, NEXT_KEY)
  const { limits, tightest } = shown(spent)
  assert.equal(tightest, 'client')
  const client = limits.find(({ name }) => name === 'client')
  assert.equal(client?.allowed, false)
  assert.ok(Number(client.retry_after_ms) > 0 && Number(client.retry_after_ms) <= 60_000)
  assert.equal(client.retry_after_ms, client.reset_after_ms)
  assert.equal(spent.header('x-ratelimit-remaining'), '0')
})

test('while the store of the limits is away nothing is known of them, or it is 503, as RATE_LIMIT_ON_OUTAGE says', async () => {
  const unlimited = await withKey(open.port)
  assert.deepEqual(shown(unlimited), { limits: [], tightest: null })
  assert.equal(unlimited.header('x-ratelimit-limit'), '')
  const refused = await withKey(closed.port)
  assertProblem(refused, 503, 'store_unavailable')
  assert.match(refused.header('retry-after'), /^[1-9]/)
  assertProblem(await withKey(closed.port, 'not-a-key'), 401, 'api_key_invalid')
})

test('a key anywhere but in Authorization is none', async () => {
  for (const target of [`${STANDING}?api_key=${KEY}`, `${STANDING}?access_token=${KEY}`]) {
    const response = await get(demo.port, target)
    assertProblem(response, 401, 'signature_missing')
    assert.equal(response.header('x-ratelimit-limit'), '')
  }
  assertProblem(await get(demo.port, STANDING, `X-Api-Key: ${KEY}`), 401, 'signature_missing')
  const inBody = await one(
    demo.port,
    signedGet(STANDING, { signature: undefined, body: `access_token=${KEY}` }),
  )
  assertProblem(inBody, 401, 'signature_missing')
})

test('orders take signatures only', async () => {
  const response = await withKey(demo.port, KEY, '/orders')
  assertProblem(response, 401, 'signature_missing')
  assert.equal(response.header('www-authenticate'), 'Signature realm="oncekey"')
  const placed = signedOrder({ signature: undefined, headers: [`Authorization: Bearer ${KEY}`] })
  assertProblem(await one(demo.port, placed), 401, 'signature_missing')
})

test('wrong keys are counted under one label, and no key is in the log or the metrics', async () => {
  const wrong = 'wrong-key-that-nobody-has'
  for (const lines of [
    [`Authorization: Bearer ${wrong}`],
    [`Authorization: Basic ${wrong}`],
    [`Authorization: Bearer ${wrong}`, `Authorization: Bearer ${KEY}`],
    [`Authorization: Bearer ${'k'.repeat(10_000)}`],
  ]) {
    assertProblem(await get(shared.port, STANDING, ...lines), 401, 'api_key_invalid')
  }
  const series = (await shared.series()).filter((line) => line.startsWith('signature_verifications_total'))
  assert.ok(series.includes('signature_verifications_total{scheme="bearer",result="api_key_invalid"}'))
  assert.ok(series.includes('signature_verifications_total{scheme="bearer",result="ok"}'))
  const { responses } = await exchange(shared.port, 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n')
  // A line of the log arrives within 250 ms; of a busy machine more is allowed for.
  const endMs = Date.now() + 10_000
  while (!shared.service.log().includes('api/v1/rate-limits') && Date.now() < endMs) await sleep(50)
  assert.ok(shared.service.log().includes('/api/v1/rate-limits'))
  for (const text of [wrong, NEXT_KEY, 'kkkkkkkk']) {
    assert.ok(!shared.service.log().includes(text), `${text} is in the log`)
    assert.ok(!responses[0]?.body.includes(text), `${text} is in the metrics`)
  }
})

test('the banner names the published API key only where it is in force', () => {
  assert.match(
    demo.service.log(),
    /The secret "super-secret-key" and the API key "test-api-key" are published/,
  )
  assert.match(shared.service.log(), /The secret "super-secret-key" is published/)
  assert.doesNotMatch(shared.service.log(), /test-api-key/)
})

test('in production there is no API key by default, and API_KEYS alone is enough to start', async (t) => {
  const production = {
    NODE_ENV: 'production',
    SIMULATED_GATEWAY: 'on',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
  }
  const service = await startServiceOnDatabase({ ...production, API_KEYS: `ann:${NEXT_KEY}` })
  t.after(() => service.close())
  assert.equal((await withKey(service.port, NEXT_KEY)).status, 200)
  assertProblem(await withKey(service.port), 401, 'api_key_invalid')
  assertProblem(await one(service.port, signedGet(STANDING)), 401, 'signature_invalid')
})

test('anybody may read how to retry, and keep a copy', async () => {
  const response = await get(demo.port, '/api/v1/retry-config')
  assert.equal(response.status, 200)
  assert.equal(response.header('content-type'), 'application/json; charset=utf-8')
  const { example_delays_ms, example_delays_with_jitter_ms, ...config } = retryConfig.parse(
    JSON.parse(response.body),
  )
  assert.deepEqual(config, {
    max_attempts: 10,
    base_delay_ms: 200,
    max_delay_ms: 10_000,
    multiplier: 2,
    jitter: 'full',
    attempt_timeout_ms: 15_000,
    deadline_ms: 60_000,
    honour_retry_after: true,
    retry_on: {
      statuses: [408, 425, 429, 500, 502, 503, 504],
      codes: ['network_error', 'timeout', 'request_in_progress', 'outcome_unknown'],
    },
  })
  assert.deepEqual(example_delays_ms, [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000])
  assert.equal(example_delays_with_jitter_ms.length, 9)
  for (const [n, ms] of example_delays_with_jitter_ms.entries()) {
    assert.ok(Number.isInteger(ms) && ms >= 0 && ms <= (example_delays_ms[n] ?? 0), `${ms}`)
  }
  const etag = response.header('etag')
  assert.equal((await get(demo.port, '/api/v1/retry-config', `If-None-Match: ${etag}`)).status, 304)
  // Who cannot say who they are, or want HTML, may read it too.
  const stranger = ['Authorization: Bearer nobody', 'Accept: text/html']
  assert.equal((await get(demo.port, '/api/v1/retry-config', ...stranger)).status, 200)
})
