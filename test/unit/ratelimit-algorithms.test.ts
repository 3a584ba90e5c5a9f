import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decide, freshState, type LimitState, settle, take } from '../../internal/ratelimit/algorithms.ts'
import { ALGORITHMS, type Limit, parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'
import { vectors } from '../support/ratelimit-vectors.ts'

const START = 1_700_000_000_000

function parse(text: string): Limit {
  const [limit] = parseRateLimits(text)
  assert.ok(limit)
  return limit
}

/** One decision as a limiter makes it; returns the state after the use. */
function use(limit: Limit, state: LimitState, now: number) {
  settle(limit, state, now)
  const before = decide(limit, state, now)
  if (!before.allowed) return before
  take(limit, state, now)
  return { ...decide(limit, state, now), allowed: true, retryAfterMs: 0 }
}

/** The times of admitted requests. */
function admissions(limit: Limit, times: readonly number[]): number[] {
  const state = freshState(limit, times[0] ?? START)
  return times.filter((now) => use(limit, state, now).allowed)
}

for (const vector of vectors) {
  test(`vector: ${vector.name}`, () => {
    const limit = parse(vector.limit)
    let state: LimitState | undefined
    for (const [now, verdict, remaining, retryAfterMs, resetAtMs] of vector.steps) {
      state ??= freshState(limit, now)
      const got = use(limit, state, now)
      const response = [got.allowed ? 'allowed' : 'refused', got.remaining, got.retryAfterMs, got.resetAtMs]
      assert.deepEqual([now, ...response], [now, verdict, remaining, retryAfterMs, resetAtMs])
    }
  })
}

test('an unused limit has its full quota and no wait', () => {
  for (const text of ['client=3/10s', 'client=3/10s:token-bucket:5']) {
    const limit = parse(text)
    const state = freshState(limit, START)
    assert.deepEqual(decide(limit, state, START), {
      allowed: true,
      limit: limit.burst,
      remaining: limit.burst,
      resetAfterMs: 0,
      resetAtMs: START,
      retryAfterMs: 0,
    })
  }
})

test('decide uses nothing', () => {
  for (const algorithm of ALGORITHMS) {
    const limit = parse(`client=2/10s:${algorithm}`)
    const state = freshState(limit, START)
    use(limit, state, START)
    for (let i = 0; i < 10; i++) assert.equal(decide(limit, state, START).remaining, 1)
  }
})

test('a lowered quota refuses until enough admissions have left the window', () => {
  const state = freshState(parse('client=3/10s'), START)
  for (let i = 0; i < 3; i++) use(parse('client=3/10s'), state, START + i)
  const lowered = use(parse('client=2/10s'), state, START + 10)
  assert.equal(lowered.remaining, 0)
  assert.equal(lowered.retryAfterMs, 10_001 - 10)
  assert.equal(use(parse('client=2/10s'), state, START + 10_001).allowed, true)
})

test('a log does not grow with the time of its use', () => {
  const limit = parse('client=100/100ms')
  const state = freshState(limit, START)
  for (let i = 0; i < 100_000; i++) assert.equal(use(limit, state, START + i).allowed, true)
  assert.ok(state.algorithm === 'sliding-window' && state.times.length <= 202)
})

const steps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60 })), {
  minLength: 1,
  maxLength: 150,
})
const counts = fc.integer({ min: 1, max: 6 })
const windows = fc.integer({ min: 1, max: 100 })

function clock(increments: readonly number[]): number[] {
  let now = START
  return increments.map((increment) => {
    now += increment
    return now
  })
}

test('a sliding window never admits more than its quota in any window, nor less than it may', () => {
  fc.assert(
    fc.property(steps, counts, windows, (increments, quota, windowMs) => {
      const limit = parse(`client=${quota}/${windowMs}ms`)
      const expected: number[] = []
      for (const now of clock(increments)) {
        if (expected.filter((time) => time > now - windowMs).length < quota) expected.push(now)
      }
      assert.deepEqual(admissions(limit, clock(increments)), expected)
      for (const from of expected)
        assert.ok(expected.filter((time) => time >= from && time < from + windowMs).length <= quota)
    }),
    { numRuns: 500 },
  )
})

test('a token bucket never admits more than burst and rate allow, in any interval', () => {
  fc.assert(
    fc.property(steps, counts, counts, windows, (increments, quota, burst, windowMs) => {
      const limit = parse(`client=${quota}/${windowMs}ms:token-bucket:${burst}`)
      const admitted = admissions(limit, clock(increments))
      admitted.forEach((from, first) => {
        admitted.slice(first).forEach((to, more) => {
          assert.ok((more + 1) * windowMs <= burst * windowMs + (to - from) * quota)
        })
      })
    }),
    { numRuns: 500 },
  )
})

test('a fixed window never admits more than its quota in one window', () => {
  fc.assert(
    fc.property(steps, counts, windows, (increments, quota, windowMs) => {
      const perWindow = new Map<number, number>()
      for (const time of admissions(parse(`client=${quota}/${windowMs}ms:fixed-window`), clock(increments))) {
        const used = (perWindow.get(Math.floor(time / windowMs)) ?? 0) + 1
        perWindow.set(Math.floor(time / windowMs), used)
        assert.ok(used <= quota)
      }
    }),
  )
})

test('a request after the reported wait is admitted, and a millisecond earlier it is not', () => {
  fc.assert(
    fc.property(
      steps,
      counts,
      counts,
      windows,
      fc.constantFrom(...ALGORITHMS),
      (increments, quota, burst, ms, algorithm) => {
        const limit = parse(
          `client=${quota}/${ms}ms:${algorithm}${algorithm === 'token-bucket' ? `:${burst}` : ''}`,
        )
        const state = freshState(limit, START)
        for (const now of clock(increments)) {
          const got = use(limit, state, now)
          if (got.allowed) continue
          const early = structuredClone(state)
          assert.equal(use(limit, early, now + got.retryAfterMs - 1).allowed, false)
          assert.equal(use(limit, early, now + got.retryAfterMs).allowed, true)
        }
      },
    ),
  )
})

test('a clock that jumps back and forth admits no more than a clock that stands still', () => {
  const jumps = fc.array(fc.integer({ min: -300, max: 60 }), { minLength: 1, maxLength: 150 })
  fc.assert(
    fc.property(
      jumps,
      counts,
      windows,
      fc.constantFrom(...ALGORITHMS),
      (increments, quota, windowMs, algorithm) => {
        const limit = parse(`client=${quota}/${windowMs}ms:${algorithm}`)
        const state = freshState(limit, START)
        /** Real time passes at least as fast as the clock moves forward. */
        let real = 0
        let now = START
        const admitted: number[] = []
        for (const increment of increments) {
          now += increment
          real += Math.max(0, increment)
          const got = use(limit, state, now)
          if (got.allowed) admitted.push(real)
          assert.ok(got.remaining >= 0 && got.remaining <= quota)
          assert.ok(got.retryAfterMs <= windowMs * 2 && got.resetAtMs >= now)
        }
        // A fixed window and a full bucket may admit twice their quota at a window edge, with any clock.
        const most = algorithm === 'sliding-window' ? quota : quota * 2
        for (const from of admitted)
          assert.ok(admitted.filter((time) => time >= from && time < from + windowMs).length <= most)
      },
    ),
    { numRuns: 1_000 },
  )
})
