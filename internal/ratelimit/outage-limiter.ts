import { checkMethod, checkOneOf } from '../core/check-option.ts'
import { ServiceError } from '../core/service-error.ts'
import { type Decision, decision, type Limiter, type Subject } from './limiter.ts'
import type { Limit } from './rate-limits.ts'

/** While the store of the limits is unreachable: count in this process, admit everything, or refuse with 503. */
export type OnOutage = 'local' | 'open' | 'closed'

export interface OutageLimiterOptions {
  /** The limiter whose store may become unreachable. */
  limiter: Limiter
  onOutage: OnOutage
  /** The limiter for `local`. Each process then counts for itself: n processes admit up to n times the quota. */
  local: Limiter
  /** Called once when an outage begins, with its cause, and once when it ends. */
  onChange?: (outage: 'begins' | 'ends', cause?: Error) => void
}

/** The wait for the client if the error has none. */
const RETRY_AFTER_MS = 1_000

/** Keeps deciding while the store is unreachable. Only `store_unavailable` is an outage; other errors are passed on. */
export class OutageLimiter implements Limiter {
  readonly #options: OutageLimiterOptions
  #isUnreachable = false

  constructor(options: OutageLimiterOptions) {
    checkMethod('limiter', options.limiter, 'decide')
    checkMethod('local', options.local, 'decide')
    checkOneOf('onOutage', options.onOutage, ['local', 'open', 'closed'])
    this.#options = options
  }

  decide(limits: readonly Limit[], subject: Subject): Promise<Decision> {
    return this.#withFallback((limiter) => limiter.decide(limits, subject))
  }

  peek(limits: readonly Limit[], subject: Subject): Promise<Decision> {
    return this.#withFallback((limiter) => limiter.peek(limits, subject))
  }

  #withFallback(call: (limiter: Limiter) => Promise<Decision>): Promise<Decision> {
    return call(this.#options.limiter).then(
      (decision) => {
        this.#report(false)
        return decision
      },
      (error: unknown) => {
        if (!(error instanceof ServiceError) || error.code !== 'store_unavailable') throw error
        this.#report(true, error)
        return this.#fallback(error, call)
      },
    )
  }

  async #fallback(error: ServiceError, call: (limiter: Limiter) => Promise<Decision>): Promise<Decision> {
    switch (this.#options.onOutage) {
      case 'local':
        return call(this.#options.local)
      case 'open':
        return decision([])
      case 'closed':
        // The quota may have been used, but the request was not executed: `effect` stays 'none'.
        throw new ServiceError('store_unavailable', 'The rate limits cannot be checked now. Try again.', {
          retryAfterMs: error.retryAfterMs ?? RETRY_AFTER_MS,
          cause: error,
        })
    }
  }

  #report(isUnreachable: boolean, cause?: Error): void {
    if (isUnreachable === this.#isUnreachable) return
    this.#isUnreachable = isUnreachable
    this.#options.onChange?.(isUnreachable ? 'begins' : 'ends', cause)
  }
}

/**
 * Wraps a limiter, and keeps deciding while its store is unreachable.
 *
 * @example outageLimiter({ limiter: redisLimiter(redis), onOutage: 'local', local: memoryLimiter() })
 */
export function outageLimiter(options: OutageLimiterOptions): Limiter {
  return new OutageLimiter(options)
}
