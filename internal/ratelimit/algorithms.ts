import type { Limit } from './rate-limits.ts'

/**
 * The arithmetic of the limits; `limit.lua` is its mirror, and both run over test/vectors/ratelimit-vectors.json.
 * All times are Unix milliseconds, fractions allowed. One decision is three steps: `settle` brings the state to
 * `now` and uses nothing, `decide` only looks, `take` uses one. Nothing here knows a store or a clock.
 *
 * A clock that steps back counts as one that stands still: what lies in the future is moved to `now`, so that
 * no real window admits more and no client waits longer than a window (two, for fixed windows).
 */
export type LimitState = SlidingWindow | TokenBucket | FixedWindow

/**
 * Admission times, oldest first: exact, in any window of that length at most `quota`. It costs 8 bytes an
 * admission here and 10 in Redis, so a quota in the hundred thousands is better served by a token bucket.
 */
interface SlidingWindow {
  readonly algorithm: 'sliding-window'
  times: number[]
  /** Index of the oldest that still counts; what is before it is cut off now and then, all at once. */
  head: number
}

/** `credit` is tokens × windowMs, so that whole numbers stay whole: a token costs windowMs, a millisecond brings quota. */
interface TokenBucket {
  readonly algorithm: 'token-bucket'
  credit: number
  /** When `credit` was right. */
  at: number
}

interface FixedWindow {
  readonly algorithm: 'fixed-window'
  /** Start of the window, a multiple of windowMs. */
  start: number
  used: number
}

/** Where a limit stands. */
export interface Standing {
  /** True if the limit admits one more (before `take`). */
  allowed: boolean
  /** The most that `remaining` can be: quota, or burst of a token bucket. */
  limit: number
  remaining: number
  /** Whole milliseconds until `remaining` grows; 0 if it is full (a fixed window: until it ends). */
  resetAfterMs: number
  /** The same as a time. */
  resetAtMs: number
  /** Whole milliseconds until the limit admits one again; 0 if allowed. */
  retryAfterMs: number
}

export function freshState(limit: Limit, now: number): LimitState {
  switch (limit.algorithm) {
    case 'sliding-window':
      return { algorithm: 'sliding-window', times: [], head: 0 }
    case 'token-bucket':
      return { algorithm: 'token-bucket', credit: limit.burst * limit.windowMs, at: now }
    case 'fixed-window':
      return { algorithm: 'fixed-window', start: windowStart(limit, now), used: 0 }
  }
}

/** Drops what has expired and repairs what lies in the future. Must come before the other steps. O(1) amortised. */
export function settle(limit: Limit, state: LimitState, now: number): void {
  switch (state.algorithm) {
    case 'sliding-window': {
      const { times } = state
      for (let i = times.length - 1; i >= state.head && at(times, i) > now; i--) times[i] = now
      while (state.head < times.length && at(times, state.head) + limit.windowMs - now <= 0) state.head++
      if (state.head > 16 && state.head * 2 >= times.length) {
        state.times = times.slice(state.head)
        state.head = 0
      }
      return
    }
    case 'token-bucket':
      state.at = Math.min(state.at, now)
      return
    case 'fixed-window':
      // Back by a little over the edge: the later window goes on, or its quota would be given twice.
      state.start = Math.min(state.start, windowStart(limit, now) + limit.windowMs)
  }
}

/** Looks at a settled state. */
export function decide(limit: Limit, state: LimitState, now: number): Standing {
  switch (state.algorithm) {
    case 'sliding-window': {
      const count = state.times.length - state.head
      // With a quota that was lowered meanwhile, more than one must leave before one is free.
      const next = state.head + Math.max(0, count - limit.quota)
      const resetAfterMs = count === 0 ? 0 : Math.ceil(at(state.times, next) + limit.windowMs - now)
      return standing(limit.quota, Math.max(0, limit.quota - count), resetAfterMs, now)
    }
    case 'token-bucket': {
      const credit = creditAt(limit, state, now)
      const remaining = Math.floor(credit / limit.windowMs)
      const missing = (remaining + 1) * limit.windowMs - credit
      const resetAfterMs = remaining >= limit.burst ? 0 : Math.ceil(missing / limit.quota)
      return standing(limit.burst, remaining, resetAfterMs, now)
    }
    case 'fixed-window': {
      const { start, used } = windowAt(limit, state, now)
      const resetAfterMs = Math.ceil(start + limit.windowMs - now)
      return standing(limit.quota, Math.max(0, limit.quota - used), resetAfterMs, now)
    }
  }
}

/** Uses one of a settled state that admits one. */
export function take(limit: Limit, state: LimitState, now: number): void {
  switch (state.algorithm) {
    case 'sliding-window':
      state.times.push(now)
      return
    case 'token-bucket':
      state.credit = creditAt(limit, state, now) - limit.windowMs
      state.at = now
      return
    case 'fixed-window': {
      const { start, used } = windowAt(limit, state, now)
      state.start = start
      state.used = used + 1
    }
  }
}

/** From when on the state says no more than a fresh one, so that it may be forgotten. */
export function forgettableAt(limit: Limit, state: LimitState): number {
  switch (state.algorithm) {
    case 'sliding-window':
      return (state.times.at(-1) ?? Number.NEGATIVE_INFINITY) + limit.windowMs
    case 'token-bucket':
      return state.at + (limit.burst * limit.windowMs - state.credit) / limit.quota
    case 'fixed-window':
      return state.start + limit.windowMs
  }
}

function standing(limit: number, remaining: number, resetAfterMs: number, now: number): Standing {
  const allowed = remaining > 0
  return {
    allowed,
    limit,
    remaining,
    resetAfterMs,
    resetAtMs: Math.ceil(now + resetAfterMs),
    retryAfterMs: allowed ? 0 : resetAfterMs,
  }
}

function creditAt(limit: Limit, state: TokenBucket, now: number): number {
  return Math.min(limit.burst * limit.windowMs, state.credit + (now - state.at) * limit.quota)
}

/** The window that counts at `now`: the one of the state, or a fresh one after its end. */
function windowAt(limit: Limit, state: FixedWindow, now: number): { start: number; used: number } {
  const start = windowStart(limit, now)
  return state.start < start ? { start, used: 0 } : state
}

function windowStart(limit: Limit, now: number): number {
  return Math.floor(now / limit.windowMs) * limit.windowMs
}

function at(times: readonly number[], index: number): number {
  const time = times[index]
  if (time === undefined) throw new RangeError(`no admission at ${index} of ${times.length}`)
  return time
}
