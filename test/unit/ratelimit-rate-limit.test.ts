import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import Koa from 'koa'
import type { Middleware, RequestState } from '../../internal/core/request-state.ts'
import { ServiceError } from '../../internal/core/service-error.ts'
import { problems } from '../../internal/http/problems.ts'
import { MemoryLimiter } from '../../internal/ratelimit/memory-limiter.ts'
import { OutageLimiter } from '../../internal/ratelimit/outage-limiter.ts'
import { rateLimit } from '../../internal/ratelimit/rate-limit.ts'
import { parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'

/** 800 ms past a whole second. */
const START = 1_700_000_000_800

const callerFromHeader: Middleware = async function callerFromHeader(ctx, next) {
  ctx.state.caller = { client: ctx.get('X-Client-Id') || 'default', scheme: 'v1' }
  await next()
}

const responseErrors = problems(() => {})

async function serve(middlewares: Middleware[], run: (url: string) => Promise<void>) {
  const app = new Koa<RequestState>()
  app.silent = true
  for (const middleware of middlewares) app.use(middleware)
  app.use((ctx) => {
    ctx.body = 'done'
  })
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

function rateHeaders(response: Response): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => name.includes('ratelimit')))
}

const route = { group: 'orders', route: 'POST /orders' }

test('an admitted request gets the rate limit headers', async () => {
  const limiter = new MemoryLimiter({ now: () => START })
  const limits = parseRateLimits('client=10/60s')
  await serve([responseErrors, callerFromHeader, rateLimit({ limiter, limits, ...route })], async (url) => {
    const response = await fetch(url)
    assert.equal(response.status, 200)
    assert.deepEqual(rateHeaders(response), {
      'x-ratelimit-limit': '10',
      'x-ratelimit-remaining': '9',
      'x-ratelimit-reset': '1700000061',
      'ratelimit-policy': '"client";q=10;w=60',
      ratelimit: '"client";r=9;t=60',
    })
  })
})

test('a refused request gets 429 rate_limited with headers and the wait, and does not reach the handler', async () => {
  let now = START
  const limiter = new MemoryLimiter({ now: () => now })
  const limits = parseRateLimits('client=1/60s')
  const seen: string[] = []
  const onDecision = (scope: string, decision: string) => seen.push(`${scope} ${decision}`)
  let handled = 0
  const handler: Middleware = async function handler(_ctx, next) {
    handled++
    await next()
  }
  const middleware = rateLimit({ limiter, limits, ...route, onDecision })
  await serve([responseErrors, callerFromHeader, middleware, handler], async (url) => {
    await fetch(url)
    now += 1_500
    const response = await fetch(url)
    assert.equal(response.status, 429)
    assert.equal(response.headers.get('Retry-After'), '59')
    assert.match(
      await response.text(),
      /"detail":"The limit \\"client\\" is used up.","code":"rate_limited",.*"retry_after_ms":58500/,
    )
    assert.deepEqual(rateHeaders(response), {
      'x-ratelimit-limit': '1',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '1700000061',
      'ratelimit-policy': '"client";q=1;w=60',
      ratelimit: '"client";r=0;t=59',
    })
    assert.equal(handled, 1)
    assert.deepEqual(seen, ['client allowed', 'client refused'])
    assert.equal((await fetch(url, { headers: { 'X-Client-Id': 'other' } })).status, 200)
  })
})

test('several limits are listed in order, and X-RateLimit has the tightest', async () => {
  const limiter = new MemoryLimiter({ now: () => START })
  const limits = parseRateLimits('global=1000/60s,client=5/1500ms,client=20/200ms:token-bucket:50')
  await serve([responseErrors, callerFromHeader, rateLimit({ limiter, limits, ...route })], async (url) => {
    const response = await fetch(url)
    assert.deepEqual(rateHeaders(response), {
      'x-ratelimit-limit': '5',
      'x-ratelimit-remaining': '4',
      'x-ratelimit-reset': '1700000003',
      'ratelimit-policy': '"global";q=1000;w=60, "client-1500ms";q=5;w=2, "client-200ms";q=20;w=1;burst=50',
      ratelimit: '"global";r=999;t=60, "client-1500ms";r=4;t=2, "client-200ms";r=49;t=1',
    })
  })
})

test('an address limit counts the address of the connection', async () => {
  const limiter = new MemoryLimiter({ now: () => START })
  const limits = parseRateLimits('ip=1/60s')
  await serve([responseErrors, callerFromHeader, rateLimit({ limiter, limits, ...route })], async (url) => {
    assert.equal((await fetch(url)).status, 200)
    const headers = { 'X-Client-Id': 'other', 'X-Forwarded-For': '10.9.8.7' }
    assert.equal((await fetch(url, { headers })).status, 429)
  })
})

test('without limits there are no headers, and the limiter is not called', async () => {
  const limiter = new MemoryLimiter({ now: () => assert.fail('asked') })
  await serve([responseErrors, rateLimit({ limiter, limits: [], ...route })], async (url) => {
    const response = await fetch(url)
    assert.equal(response.status, 200)
    assert.deepEqual(rateHeaders(response), {})
  })
})

test('in an outage with the setting open the request is admitted without headers', async () => {
  const away = async () => {
    throw new ServiceError('store_unavailable', 'away')
  }
  const local = new MemoryLimiter({ now: () => START })
  const limiter = new OutageLimiter({ limiter: { decide: away, peek: away }, onOutage: 'open', local })
  const limits = parseRateLimits('client=1/60s')
  await serve([responseErrors, callerFromHeader, rateLimit({ limiter, limits, ...route })], async (url) => {
    const response = await fetch(url)
    assert.equal(response.status, 200)
    assert.deepEqual(rateHeaders(response), {})
  })
})

test('without a middleware that sets the caller every request fails and uses nothing', async () => {
  const limiter = new MemoryLimiter({ now: () => START })
  const limits = parseRateLimits('client=1/60s')
  await serve([responseErrors, rateLimit({ limiter, limits, ...route })], async (url) => {
    assert.equal((await fetch(url)).status, 500)
    assert.equal(limiter.size, 0)
  })
})
