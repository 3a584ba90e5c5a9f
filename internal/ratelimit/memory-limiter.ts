import { checkNumber } from '../core/check-option.ts'
import { decide, expiresAt, freshState, type LimitState, type Standing, settle, take } from './algorithms.ts'
import { type Decision, decision, type Limiter, type LimitStatus, type Subject, stateKey } from './limiter.ts'
import type { Limit } from './rate-limits.ts'

interface Entry {
  state: LimitState
  /** The time from which the entry can be deleted, in Unix milliseconds. */
  expiresAt: number
}

export interface MemoryLimiterOptions {
  /** Unix milliseconds; `Date.now` by default. */
  now?: () => number
  /** With more entries than this, the least recently used one is deleted and starts afresh; 1,000,000 by default. */
  maxEntries?: number
}

/** About 200 MB with short logs. Only a limit of scope `ip` can have so many subjects. */
const MAX_ENTRIES = 1_000_000
/** Entries checked for expiry for each evaluated limit: more than one, so that expired entries stay a small fraction. */
const SWEEP = 4

/**
 * Counts in this process: for a single process, or while Redis is unreachable. A decision is synchronous and therefore
 * atomic. Each decision also deletes a few expired entries, so that no timer is needed.
 */
export class MemoryLimiter implements Limiter {
  readonly #now: () => number
  readonly #maxEntries: number
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>()
  #sweep = this.#entries.entries()

  constructor(options: MemoryLimiterOptions = {}) {
    this.#now = options.now ?? Date.now
    this.#maxEntries = options.maxEntries ?? MAX_ENTRIES
    checkNumber('maxEntries', this.#maxEntries, 1, Number.POSITIVE_INFINITY)
  }

  /** The number of entries. */
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
        this.#keep(key, { state, expiresAt: expiresAt(limit, state) })
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

  /** Continues where the last call stopped. The iterator of a Map stays valid while entries are added and deleted. */
  #forget(steps: number, now: number): void {
    for (let step = 0; step < steps; step++) {
      const next = this.#sweep.next()
      if (next.done) {
        this.#sweep = this.#entries.entries()
        return
      }
      const [key, entry] = next.value
      if (entry.expiresAt <= now) this.#entries.delete(key)
    }
  }
}

/** Without a spread, which costs microseconds in V8. */
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
 * A limiter that counts in this process.
 *
 * @example rateLimit({ limiter: memoryLimiter(), limits: 'client=10/60s', route: 'POST /bookings' })
 */
export function memoryLimiter(options: MemoryLimiterOptions = {}): Limiter {
  return new MemoryLimiter(options)
}
