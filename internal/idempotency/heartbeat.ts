import { stopwatch } from '../core/stopwatch.ts'

/** The same for all keys of an engine. */
export interface HeartbeatTimes {
  leaseMs: number
  /** The longest a request may hold its key; a handler that never ends loses it then. */
  maxAgeMs: number
  /** Milliseconds; never goes back, and is not set forward. */
  now: () => number
}

export const TAKEN_OVER = 'another attempt has taken the key over'

/** Renews a lease at a third of its length while a handler works, and tells the handler when it is lost. */
export class Heartbeat {
  readonly #times: HeartbeatTimes
  readonly #renew: () => Promise<boolean>
  readonly #startedMs: number
  #sinceRenewedMs: () => number
  #timer: NodeJS.Timeout | undefined
  // Made when a handler asks: most handlers end before the first beat.
  #controller: AbortController | undefined
  #lostBecause: string | undefined
  #outlivesOutages = false
  #stopped = false

  /** `renew`: false, the key is no longer ours; rejects while the store is away. */
  constructor(times: HeartbeatTimes, renew: () => Promise<boolean>) {
    this.#times = times
    this.#renew = renew
    this.#startedMs = times.now()
    this.#sinceRenewedMs = stopwatch(times.now)
    this.#schedule()
  }

  /** Aborted, with an Error that says why, once the lease is lost or its maximum age is reached. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#lostBecause !== undefined) this.#controller.abort(new Error(this.#lostBecause))
    }
    return this.#controller.signal
  }

  get lostBecause(): string | undefined {
    return this.#lostBecause
  }

  /** For a key that no attempt takes over: while the store is away the work goes on, and is recorded when it is back. */
  outliveOutages(): void {
    this.#outlivesOutages = true
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #schedule(): void {
    // It was stopped while the store was asked.
    if (this.#stopped) return
    const { leaseMs, maxAgeMs, now } = this.#times
    const leftMs = Math.max(0, this.#startedMs + maxAgeMs - now())
    this.#timer = setTimeout(() => void this.#beat(), Math.min(leaseMs / 3, leftMs))
  }

  async #beat(): Promise<void> {
    const { leaseMs, maxAgeMs, now } = this.#times
    if (now() - this.#startedMs >= maxAgeMs) {
      this.#lose(`the request held its key for ${maxAgeMs} ms, the longest that is allowed`)
      return
    }
    // Before the call: the store counts the new lease from some moment after this one.
    const sinceAskedMs = stopwatch(now)
    try {
      const renewed = await this.#renew()
      if (this.#stopped) return
      if (!renewed) {
        this.#lose(TAKEN_OVER)
        return
      }
      this.#sinceRenewedMs = sinceAskedMs
    } catch (error) {
      if (!this.#outlivesOutages && this.#sinceRenewedMs() >= leaseMs) {
        this.#lose(`the lease ran out while the store was away: ${String(error)}`)
        return
      }
    }
    this.#schedule()
  }

  #lose(reason: string): void {
    this.#lostBecause = reason
    this.#controller?.abort(new Error(reason))
  }
}
