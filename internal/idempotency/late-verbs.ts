import { ServiceError } from '../core/service-error.ts'

export const AGAIN_EVERY_MS = 1_000
/** Verbs that wait for a store that is away. Beyond it keys are left to their leases: memory must not grow. */
const MAX_WAITING = 10_000

export interface LateVerbsOptions {
  leaseMs: number
  /** Milliseconds; never goes back. */
  now: () => number
}

/** Verbs that got no response from the store, on their way in the background. */
export class LateVerbs {
  readonly #options: LateVerbsOptions
  #waiting = 0

  constructor(options: LateVerbsOptions) {
    this.#options = options
  }

  /**
   * Tries the verb again while the store is away, and then for one lease, since a claim that hung in a connection may be made
   * only when the store goes on.
   */
  tryAgain(call: () => Promise<boolean>): void {
    const { leaseMs, now } = this.#options
    if (this.#waiting >= MAX_WAITING) return
    this.#waiting++
    let untilMs: number | undefined
    const attempt = async () => {
      const response = await call().catch((error: unknown) => (isAway(error) ? 'away' : false))
      if (response !== 'away') untilMs ??= now() + leaseMs
      if (response === true || (untilMs !== undefined && now() >= untilMs)) this.#waiting--
      else schedule()
    }
    const schedule = () => setTimeout(() => void attempt(), AGAIN_EVERY_MS).unref()
    schedule()
  }
}

export function isAway(error: unknown): error is ServiceError {
  return error instanceof ServiceError && error.code === 'store_unavailable'
}
