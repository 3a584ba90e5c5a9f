import type { Limit } from './rate-limits.ts'

/**
 * The arithmetic of the limits, without store and clock. `limit.lua` implements the same; both are tested with
 * test/vectors/ratelimit-vectors.json. All times are Unix milliseconds and may have fractions. A decision has three
 * steps: `settle` updates the state to `now`, `decide` reads it, `take` uses one.
 *
 * A clock that steps back is treated as a clock that stands still: times in the future are set to `now`. So no real
 * window admits more than its quota, and no client waits longer than one window (two, for fixed windows).
 */
export type LimitState = SlidingWindow | TokenBucket | FixedWindow

/**
 * Admission times, oldest first. Exact: any window of that length has at most `quota` admissions. Each admission costs
 * 8 bytes here and 10 in Redis; for a quota above 100,000 use a token bucket.
 */
interface SlidingWindow {
  readonly algorithm: 'sliding-window'
  times: number[]
  /** Index of the oldest time that still counts. The times before it are removed in batches. */
  head: number
}

/** `credit` is tokens × windowMs, which keeps it an integer: a token costs windowMs, each millisecond adds quota. */
interface TokenBucket {
  readonly algorithm: 'token-bucket'
  credit: number
  /** The time for which `credit` was computed. */
  at: number
}

interface FixedWindow {
  readonly algorithm: 'fixed-window'
  /** Start of the window, a multiple of windowMs. */
  start: number
  used: number
}

/** The state of a limit, as shown to clients. */
export interface Standing {
  /** Whether the limit admits one more request (before `take`). */
  allowed: boolean
  /** The maximum of `remaining`: the quota, or the burst of a token bucket. */
  limit: number
  remaining: number
  /** Whole milliseconds until `remaining` grows; 0 if it is at its maximum. For a fixed window: until the window ends. */
  resetAfterMs: number
  /** The same as a time, in Unix milliseconds. */
  resetAtMs: number
  /** Whole milliseconds until the limit admits a request again; 0 if allowed. */
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

/** Removes expired times and sets times in the future to `now`. Must be called before the other steps. O(1) amortised. */
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
      // If the clock stepped back into the previous window, the later window continues; otherwise its quota could be used twice.
      state.start = Math.min(state.start, windowStart(limit, now) + limit.windowMs)
  }
}

/** Reads a settled state. */
export function decide(limit: Limit, state: LimitState, now: number): Standing {
  switch (state.algorithm) {
    case 'sliding-window': {
      const count = state.times.length - state.head
      // After the quota was lowered, several admissions must expire before one is free.
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

/** Uses one admission. The state must be settled and must admit one. */
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

/** The time from which the state equals a fresh one, so that it can be deleted. */
export function expiresAt(limit: Limit, state: LimitState): number {
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

/** The window at `now`: the one of the state, or a fresh one after its end. */
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
