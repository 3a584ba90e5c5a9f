import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { ServiceError } from '../../internal/core/service-error.ts'
import { connectRedis, type RedisConnection } from '../../internal/database/redis.ts'
import { loadScript } from '../../internal/database/redis-script.ts'
import { decide, freshState, type LimitState, settle, take } from '../../internal/ratelimit/algorithms.ts'
import { type Decision, decision, type Subject, stateKey } from '../../internal/ratelimit/limiter.ts'
import { ALGORITHMS, type Limit, parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'
import { RedisLimiter } from '../../internal/ratelimit/redis-limiter.ts'
import { startOwnRedis } from '../support/own-redis.ts'
import { vectors } from '../support/ratelimit-vectors.ts'
import { connected } from '../support/redis-ready.ts'
import { startRedis } from '../support/servers.ts'
import { until } from '../support/until.ts'

const { redis, raw } = await startOwnRedis()

const subject = () => ({
  client: `c-${randomUUID()}`,
  ip: '::1',
  route: 'POST /orders',
  group: `g-${randomUUID()}`,
})

for (const vector of vectors) {
  test(`the script agrees with the vector: ${vector.name}`, async () => {
    const who = subject()
    const limits = parseRateLimits(vector.limit)
    for (const [now, verdict, remaining, retryAfterMs, resetAtMs] of vector.steps) {
      const { tightest } = await new RedisLimiter(redis, { now: () => now }).decide(limits, who)
      assert.ok(tightest)
      const response = [tightest.allowed ? 'allowed' : 'refused', tightest.remaining, tightest.retryAfterMs]
      assert.deepEqual(
        [now, ...response, tightest.resetAtMs],
        [now, verdict, remaining, retryAfterMs, resetAtMs],
      )
    }
  })
}

test('a list that expires within the script, because the clock of Redis steps back, is no error', async () => {
  const who = subject()
  const limits = parseRateLimits('client=3/10s')
  await new RedisLimiter(redis, { now: () => 1_010_000 }).decide(limits, who)
  // PEXPIRE to a time before the start of the script deletes the list for the rest of the script.
  const { lua } = loadScript(new URL('../../internal/ratelimit/limit.lua', import.meta.url))
  const stepping = `local real = redis
    local redis = {call = function(name, key, ...)
      return real.call(name == 'PEXPIRE' and 'DEL' or name, key, unpack(name == 'PEXPIRE' and {} or {...}))
    end}
    ${lua}`
  const [limit] = limits
  assert.ok(limit)
  const [key = '', ...others] = await raw.keys(`*${who.client}*`)
  assert.deepEqual(others, [])
  const calls = ['take', limit.algorithm, limit.quota, limit.windowMs, limit.burst, 1_000_000].map(String)
  const reply = await raw.eval(stepping, 1, key, 1, JSON.stringify([1, calls.length, ...calls]))
  assert.deepEqual(reply, [1, JSON.stringify([['allowed', 2, 10_000, 1_010_000]])])
})

/**
 * The arithmetic of algorithms.ts, all or nothing. (Not MemoryLimiter: when the clock steps back, it has already deleted
 * entries that had expired before.)
 */
function inProcess(
  states: Map<string, LimitState>,
  limits: readonly Limit[],
  who: Subject,
  now: number,
  peek: boolean,
): Decision {
  const meters = limits.map((limit) => {
    const key = stateKey(limit, who)
    const state = states.get(key) ?? freshState(limit, now)
    settle(limit, state, now)
    return { limit, key, state, before: decide(limit, state, now) }
  })
  const taken = !peek && meters.every((meter) => meter.before.allowed)
  return decision(
    meters.map(({ limit, key, state, before }) => {
      const { name, scope } = limit
      if (!taken) return { name, scope, ...before }
      take(limit, state, now)
      states.set(key, state)
      return { name, scope, ...decide(limit, state, now), allowed: true, retryAfterMs: 0 }
    }),
  )
}

test('the script and algorithms.ts agree on random sequences', async () => {
  const limit = fc
    .tuple(fc.constantFrom(...ALGORITHMS), fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 }))
    .map(
      ([algorithm, quota, burst]) =>
        `${quota}/:${algorithm}${algorithm === 'token-bucket' ? `:${burst}` : ''}`,
    )
  const limits = fc
    .tuple(fc.array(limit, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 900 }))
    .map(([parts, ms]) =>
      parts.map((part, index) => `client=${part.replace('/', `/${ms * (index + 1)}ms`)}`).join(','),
    )
  const step = fc.record({
    /** Microseconds; sometimes negative. */
    after: fc.oneof(
      { weight: 9, arbitrary: fc.nat(900_000) },
      { weight: 1, arbitrary: fc.integer({ min: -9e6, max: 0 }) },
    ),
    client: fc.constantFrom('a', 'b'),
    peek: fc.boolean(),
    /** Whether the call is made by a process with other settings. */
    lower: fc.boolean(),
    /** Whether the call is in one batch with the next. */
    together: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(limits, fc.array(step, { minLength: 1, maxLength: 40 }), async (text, steps) => {
      let microseconds = 1_700_000_000_000_000
      const now = () => microseconds / 1_000
      const rules = parseRateLimits(text)
      const there = new RedisLimiter(redis, { now })
      const states = new Map<string, LimitState>()
      const lowered = rules.map((rule) => ({ ...rule, quota: 1, burst: 1 }))
      const who = subject()
      const expected: Decision[] = []
      const asked: Promise<Decision>[] = []
      for (const { after: more, client, peek, lower, together } of steps) {
        microseconds += together ? 0 : more
        const one = { ...who, client: `${client}-${who.client}` }
        const limits = lower ? lowered : rules
        expected.push(inProcess(states, limits, one, now(), peek))
        asked.push(there[peek ? 'peek' : 'decide'](limits, one))
        if (!together) await Promise.all(asked)
      }
      assert.deepEqual(await Promise.all(asked), expected)
    }),
    { numRuns: 150 },
  )
})

test('a script that Redis no longer has is sent again', async () => {
  const limiter = new RedisLimiter(redis)
  const limits = parseRateLimits('client=2/60s')
  const who = subject()
  await limiter.decide(limits, who)
  await raw.script('FLUSH')
  assert.equal((await limiter.decide(limits, who)).tightest?.remaining, 0)
  assert.equal((await limiter.decide(limits, who)).allowed, false)
})

test('with the clock of Redis a quota is available again after its window', async () => {
  const limiter = new RedisLimiter(redis)
  const before = Date.now()
  for (const algorithm of ALGORITHMS) {
    const limits = parseRateLimits(`client=1/200ms:${algorithm}`)
    const who = subject()
    await limiter.decide(limits, who)
    let response = await limiter.decide(limits, who)
    if (algorithm !== 'fixed-window') assert.equal(response.allowed, false)
    const { tightest } = response
    assert.ok(tightest && tightest.resetAtMs >= before && tightest.resetAtMs <= Date.now() + 201)
    await sleep(tightest.resetAfterMs + 2)
    response = await limiter.decide(limits, who)
    assert.equal(response.allowed, true)
  }
})

test('expired admissions are dropped, all or only a part of them', async () => {
  let now = 1_700_000_000_000
  const limiter = new RedisLimiter(redis, { now: () => now })
  const limits = parseRateLimits('client=1000/60s')
  const who = subject()
  for (let i = 0; i < 1_000; i++) {
    await limiter.decide(limits, who)
    now += 10
  }
  // The first was admitted 10 s ago, the last 10 ms ago.
  now += 50_000 + 3_335
  assert.equal((await limiter.peek(limits, who)).tightest?.remaining, 334)
  now += 60_000
  assert.equal((await limiter.decide(limits, who)).tightest?.remaining, 999)
})

test('every key has the prefix, is in the slot of its client or rule set, and expires', async () => {
  await raw.flushall()
  const limiter = new RedisLimiter(redis)
  const who = { client: 'alice', ip: '::1', route: 'POST /orders', group: 'orders' }
  const mixed = ALGORITHMS.map((algorithm, i) => `client=2/${i + 1}00ms:${algorithm}`).join(',')
  for (let i = 0; i < 4; i++) {
    await limiter.decide(parseRateLimits(`${mixed},endpoint=5/1s`), who)
    await limiter.decide(parseRateLimits('global=9/100ms,ip=9/100ms,client=9/100ms'), who)
  }
  const keys = await raw.keys('*')
  assert.deepEqual(keys.sort(), [
    'oncekey:limit:{alice}:orders:client:100:sliding-window:alice',
    'oncekey:limit:{alice}:orders:client:200:token-bucket:alice',
    'oncekey:limit:{alice}:orders:client:300:fixed-window:alice',
    'oncekey:limit:{alice}:orders:endpoint:1000:sliding-window:alice:POST /orders',
    'oncekey:limit:{orders}:orders:client:100:sliding-window:alice',
    'oncekey:limit:{orders}:orders:global:100:sliding-window:',
    'oncekey:limit:{orders}:orders:ip:100:sliding-window:::1',
  ])
  for (const key of keys) {
    const ttlMs = await raw.pttl(key)
    assert.ok(ttlMs > 0 && ttlMs <= 2_000, `${key} expires in ${ttlMs} ms`)
  }
  await until('they have expired', async () => (await raw.dbsize()) === 0)
})

test('a key still expires after the clock stepped back', async () => {
  await raw.flushall()
  let now = 1_700_000_000_000
  const limiter = new RedisLimiter(redis, { now: () => now })
  const limits = parseRateLimits(
    ALGORITHMS.map((algorithm, i) => `client=1/${i + 1}s:${algorithm}`).join(','),
  )
  const who = subject()
  await limiter.decide(limits, who)
  now -= 60_000
  await limiter.decide(limits, who)
  const keys = await raw.keys('*')
  assert.equal(keys.length, 3)
  for (const key of keys) {
    const ttlMs = await raw.pttl(key)
    assert.ok(ttlMs > 0 && ttlMs <= 4_000, `${key} expires in ${ttlMs} ms`)
  }
})

/** The connection, with a count of its script calls. */
function counting(connection: RedisConnection): { connection: RedisConnection; calls: () => number } {
  let calls = 0
  const ask: RedisConnection['ask'] = (...args) => {
    calls++
    return connection.ask(...args)
  }
  return { connection: { ...connection, ask }, calls: () => calls }
}

test('a refused subject is refused again without Redis, until an admission has left its window', async () => {
  const { connection, calls } = counting(redis)
  const limiter = new RedisLimiter(connection)
  const limits = parseRateLimits('client=1/2s,endpoint=5/60s')
  const who = subject()
  assert.equal((await limiter.decide(limits, who)).allowed, true)
  const first = await limiter.decide(limits, who)
  assert.equal(first.allowed, false)
  assert.equal(calls(), 2)
  let last = first
  await until('a use has left its window', async () => {
    const decided = await limiter.decide(limits, who)
    if (decided.allowed) return true
    const [before, now] = [last.tightest?.retryAfterMs ?? 0, decided.tightest?.retryAfterMs ?? 0]
    assert.ok(now >= 1 && now <= before, `${now} ms after ${before} ms`)
    const moved = Number(decided.tightest?.resetAtMs) - Number(first.tightest?.resetAtMs)
    assert.ok(Math.abs(moved) <= 1, `the reset moved by ${moved} ms`)
    assert.deepEqual(
      decided.statuses.map(({ remaining }) => remaining),
      [0, 4],
    )
    last = decided
    return false
  })
  assert.ok((last.tightest?.retryAfterMs ?? 0) < (first.tightest?.retryAfterMs ?? 0))
  // Redis is called once a second, the last time perhaps slightly too early.
  assert.ok(calls() <= 7, `${calls()} calls`)
  await limiter.peek(limits, who)
  assert.equal((await limiter.decide(limits, subject())).allowed, true, 'another client')
})

test('a refusal is cached for at most a second, and only for the limits that refused', async () => {
  const { connection, calls } = counting(redis)
  const limiter = new RedisLimiter(connection)
  const limits = parseRateLimits('client=1/60s')
  const who = subject()
  for (let n = 0; n < 5; n++) await limiter.decide(limits, who)
  assert.equal(calls(), 2)
  assert.equal(
    (await limiter.decide(parseRateLimits('client=9/60s'), who)).allowed,
    true,
    'its limit was raised',
  )
  await until('Redis is asked again', async () => {
    assert.equal((await limiter.decide(limits, who)).allowed, false)
    return calls() > 3
  })
})

test('while Redis is unreachable no refusal is cached: an outage does not end before Redis is back', async () => {
  const mortal = await startRedis()
  const { connection, calls } = counting(await connected(connectRedis(mortal.url, { deadlineMs: 300 })))
  try {
    const limiter = new RedisLimiter(connection)
    const limits = parseRateLimits('client=1/60s')
    const who = subject()
    for (let n = 0; n < 3; n++) await limiter.decide(limits, who)
    assert.equal(calls(), 2)
    await mortal.kill()
    await assert.rejects(limiter.decide(limits, subject()), { code: 'store_unavailable' })
    await assert.rejects(limiter.decide(limits, who), { code: 'store_unavailable' })
  } finally {
    await connection.close()
    await mortal.kill()
  }
})

test('if Redis hangs or is gone: store_unavailable within the deadline', async () => {
  const mortal = await startRedis()
  const connection = await connected(connectRedis(mortal.url, { deadlineMs: 300 }))
  try {
    const limiter = new RedisLimiter(connection)
    const limits = parseRateLimits('client=2/60s')
    await limiter.decide(limits, subject())
    const unavailable = async () => {
      const start = performance.now()
      await assert.rejects(
        limiter.decide(limits, subject()),
        (error) =>
          error instanceof ServiceError && error.code === 'store_unavailable' && error.retryAfterMs === 1_000,
      )
      assert.ok(performance.now() - start < 1_000)
    }
    mortal.pause()
    await unavailable()
    await mortal.kill()
    await unavailable()
  } finally {
    await connection.close()
    await mortal.kill()
  }
})
