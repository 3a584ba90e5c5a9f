import {
  decide,
  forgettableAt,
  freshState,
  type LimitState,
  type Standing,
  settle,
  take,
} from './algorithms.ts'
import { type Decision, decision, type Limiter, type LimitStatus, type Subject, stateKey } from './limiter.ts'
import type { Limit } from './rate-limits.ts'

interface Entry {
  state: LimitState
  /** From then on it says no more than no entry. */
  forgettableAt: number
}

export interface MemoryLimiterOptions {
  /** Unix milliseconds; `Date.now` by default. */
  now?: () => number
  /** More subjects than this at once push the longest unused one out, which then starts afresh. */
  maxEntries?: number
}

/** About 200 MB with short logs. Clients are few; so many subjects can only be addresses. */
const MAX_ENTRIES = 1_000_000
/** Entries looked at for each limit decided: more than one, so that the dead are never more than a fraction. */
const SWEEP = 4

/**
 * Counts in this process, for one process or for the time that Redis is away. A decision runs without a pause,
 * which makes it atomic. Expired entries are swept a few at a time by the decisions themselves: no timer, no stall.
 */
export class MemoryLimiter implements Limiter {
  readonly #now: () => number
  readonly #maxEntries: number
  /** The longest unused first. */
  readonly #entries = new Map<string, Entry>()
  #sweep = this.#entries.entries()

  constructor(options: MemoryLimiterOptions = {}) {
    this.#now = options.now ?? Date.now
    this.#maxEntries = options.maxEntries ?? MAX_ENTRIES
  }

  /** States held at the moment. */
  get size(): number {
    return this.#entries.size
  }

  async decide(limits: readonly Limit[], subject: Subject): Promise<Decision> {
    return this.#evaluate(limits, subject, true)
  }

  async peek(limits: readonly Limit[], subject: Subject): Promise<Decision> {
    return this.#evaluate(limits, subject, false)
  }

  #evaluate(limits: readonly Limit[], subject: Subject, uses: boolean): Decision {
    const now = this.#now()
    this.#forget(limits.length * SWEEP, now)
    const meters = limits.map((limit) => {
      const key = stateKey(limit, subject)
      const state = this.#entries.get(key)?.state ?? freshState(limit, now)
      settle(limit, state, now)
      return { limit, key, state, before: decide(limit, state, now) }
    })
    const taken = uses && meters.every((meter) => meter.before.allowed)
    return decision(
      meters.map(({ limit, key, state, before }) => {
        if (!taken) return statusOf(limit, before)
        take(limit, state, now)
        this.#keep(key, { state, forgettableAt: forgettableAt(limit, state) })
        const status = statusOf(limit, decide(limit, state, now))
        status.allowed = true
        status.retryAfterMs = 0
        return status
      }),
    )
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size <= this.#maxEntries) return
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.#entries.delete(oldest.value)
  }

  /** Goes on where it stopped; a Map's iterator stays valid while entries come, go and move to the end. */
  #forget(steps: number, now: number): void {
    for (let step = 0; step < steps; step++) {
      const next = this.#sweep.next()
      if (next.done) {
        this.#sweep = this.#entries.entries()
        return
      }
      const [key, entry] = next.value
      if (entry.forgettableAt <= now) this.#entries.delete(key)
    }
  }
}

/** Member by member: V8 takes microseconds where members stand behind a spread. */
function statusOf(limit: Limit, standing: Standing): LimitStatus {
  return {
    name: limit.name,
    scope: limit.scope,
    allowed: standing.allowed,
    limit: standing.limit,
    remaining: standing.remaining,
    resetAfterMs: standing.resetAfterMs,
    resetAtMs: standing.resetAtMs,
    retryAfterMs: standing.retryAfterMs,
  }
}

/**
 * Counts in this process.
 *
 * @example rateLimit({ limiter: memoryLimiter(), limits: 'client=10/60s', route: 'POST /bookings' })
 */
export function memoryLimiter(options: MemoryLimiterOptions = {}): Limiter {
  return new MemoryLimiter(options)
}
