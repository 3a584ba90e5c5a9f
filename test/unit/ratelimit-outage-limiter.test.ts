import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ServiceError } from '../../internal/core/service-error.ts'
import { connectRedis } from '../../internal/database/redis.ts'
import type { Limiter } from '../../internal/ratelimit/limiter.ts'
import { MemoryLimiter } from '../../internal/ratelimit/memory-limiter.ts'
import { type OnOutage, OutageLimiter } from '../../internal/ratelimit/outage-limiter.ts'
import { parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'
import { RedisLimiter } from '../../internal/ratelimit/redis-limiter.ts'
import { connected } from '../support/redis-ready.ts'
import { startRedis } from '../support/servers.ts'

const limits = parseRateLimits('client=2/60s')
const who = { client: 'alice', ip: '::1', route: 'POST /orders', group: 'orders' }

/** A Redis that is killed after its first response. */
async function killedRedis(onOutage: OnOutage, run: (limiter: Limiter, changes: string[]) => Promise<void>) {
  const server = await startRedis()
  const connection = await connected(connectRedis(server.url, { deadlineMs: 300 }))
  const changes: string[] = []
  const limiter = new OutageLimiter({
    limiter: new RedisLimiter(connection),
    onOutage,
    local: new MemoryLimiter({ now: Date.now }),
    onChange: (outage, cause) =>
      changes.push(cause instanceof ServiceError ? `${outage}: ${cause.code}` : outage),
  })
  try {
    assert.equal((await limiter.decide(limits, who)).tightest?.remaining, 1)
    await server.kill()
    await run(limiter, changes)
  } finally {
    await connection.close()
    await server.kill()
  }
}

test('local: the process counts for itself while Redis is unreachable', async () => {
  await killedRedis('local', async (limiter, changes) => {
    assert.equal((await limiter.peek(limits, who)).tightest?.remaining, 2)
    assert.equal((await limiter.decide(limits, who)).tightest?.remaining, 1)
    assert.equal((await limiter.decide(limits, who)).tightest?.remaining, 0)
    assert.equal((await limiter.decide(limits, who)).allowed, false)
    assert.deepEqual(changes, ['begins: store_unavailable'], 'told once, with its cause')
  })
})

test('open: every request is admitted, without statuses', async () => {
  await killedRedis('open', async (limiter) => {
    for (let i = 0; i < 5; i++) {
      assert.deepEqual(await limiter.decide(limits, who), {
        allowed: true,
        statuses: [],
        tightest: undefined,
      })
    }
  })
})

test('closed: 503 with a retry time, and the request had no effect', async () => {
  await killedRedis('closed', async (limiter) => {
    for (let i = 0; i < 2; i++) {
      await assert.rejects(limiter.decide(limits, who), (error) => {
        assert.ok(error instanceof ServiceError)
        assert.equal(error.code, 'store_unavailable')
        assert.equal(error.status, 503)
        assert.equal(error.retryAfterMs, 1_000)
        assert.equal(error.effect, 'none')
        return true
      })
    }
  })
})

/** A limiter with scripted results: a real Redis cannot be made to fail in a chosen order. */
function scripted(outcomes: (Error | 'answers')[]): Limiter {
  const store = new MemoryLimiter({ now: Date.now })
  const next = async () => {
    const outcome = outcomes.shift()
    if (outcome instanceof Error) throw outcome
    return store.decide(limits, who)
  }
  return { decide: next, peek: next }
}

const away = () => new ServiceError('store_unavailable', 'away', { effect: 'unknown' })

test('each outage is reported once when it begins and once when it ends', async () => {
  const changes: string[] = []
  const limiter = new OutageLimiter({
    limiter: scripted(['answers', away(), away(), 'answers', 'answers', away()]),
    onOutage: 'open',
    local: new MemoryLimiter({ now: Date.now }),
    onChange: (outage) => changes.push(outage),
  })
  for (let i = 0; i < 6; i++) await limiter.decide(limits, who)
  assert.deepEqual(changes, ['begins', 'ends', 'begins'])
})

test('an error that is not an outage is passed on and not reported as one', async () => {
  const changes: string[] = []
  const defect = new Error('ERR Error compiling script')
  const other = new ServiceError('invalid_request', 'no')
  for (const onOutage of ['local', 'open', 'closed'] as const) {
    const limiter = new OutageLimiter({
      limiter: scripted([defect, other]),
      onOutage,
      local: new MemoryLimiter({ now: Date.now }),
      onChange: (outage) => changes.push(outage),
    })
    await assert.rejects(limiter.decide(limits, who), defect)
    await assert.rejects(limiter.peek(limits, who), other)
  }
  assert.deepEqual(changes, [])
})
