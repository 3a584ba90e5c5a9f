import { ServiceError } from '../core/service-error.ts'
import { type Decision, decision, type Limiter, type Subject } from './limiter.ts'
import type { Limit } from './rate-limits.ts'

/** What holds while the store of the limits is away: count in this process, admit everything, or refuse with 503. */
export type OnOutage = 'local' | 'open' | 'closed'

export interface OutageLimiterOptions {
  /** The limiter whose store may go away. */
  limiter: Limiter
  onOutage: OnOutage
  /** Decides for `local`. Each process then counts for itself: n processes admit up to n quotas. */
  local: Limiter
  /** Told once when an outage begins, with its cause, and once when it ends. */
  onChange?: (outage: 'begins' | 'ends', cause?: Error) => void
}

/** How long a partner is asked to wait if the store did not say. */
const RETRY_AFTER_MS = 1_000

/** Keeps deciding while the store is away. Only `store_unavailable` is an outage; other errors are defects and pass. */
export class OutageLimiter implements Limiter {
  readonly #options: OutageLimiterOptions
  #away = false

  constructor(options: OutageLimiterOptions) {
    this.#options = options
  }

  decide(limits: readonly Limit[], subject: Subject): Promise<Decision> {
    return this.#guard((limiter) => limiter.decide(limits, subject))
  }

  peek(limits: readonly Limit[], subject: Subject): Promise<Decision> {
    return this.#guard((limiter) => limiter.peek(limits, subject))
  }

  #guard(ask: (limiter: Limiter) => Promise<Decision>): Promise<Decision> {
    return ask(this.#options.limiter).then(
      (decision) => {
        this.#report(false)
        return decision
      },
      (error: unknown) => {
        if (!(error instanceof ServiceError) || error.code !== 'store_unavailable') throw error
        this.#report(true, error)
        return this.#without(error, ask)
      },
    )
  }

  async #without(error: ServiceError, ask: (limiter: Limiter) => Promise<Decision>): Promise<Decision> {
    switch (this.#options.onOutage) {
      case 'local':
        return ask(this.#options.local)
      case 'open':
        return decision([])
      case 'closed':
        // Whatever became of the quota, the request itself was not executed: `effect` stays 'none'.
        throw new ServiceError('store_unavailable', 'The rate limits cannot be checked now. Try again.', {
          retryAfterMs: error.retryAfterMs ?? RETRY_AFTER_MS,
          cause: error,
        })
    }
  }

  #report(away: boolean, cause?: Error): void {
    if (away === this.#away) return
    this.#away = away
    this.#options.onChange?.(away ? 'begins' : 'ends', cause)
  }
}

/**
 * Decides while the store of another limiter is away.
 *
 * @example outageLimiter({ limiter: redisLimiter(redis), onOutage: 'local', local: memoryLimiter() })
 */
export function outageLimiter(options: OutageLimiterOptions): Limiter {
  return new OutageLimiter(options)
}
