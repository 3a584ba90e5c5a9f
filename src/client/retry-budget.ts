/**
 * Limits the retries of a client to `ratio` a request plus `reserve` a minute, so that they do not multiply the load on a
 * service that is down. A token bucket of `reserve` tokens.
 */
export class RetryBudget {
  readonly #ratio: number
  readonly #reserve: number
  readonly #now: () => number
  #tokens: number
  #filledAtMs: number

  constructor(ratio: number, reserve: number, now: () => number) {
    this.#ratio = ratio
    this.#reserve = reserve
    this.#now = now
    this.#tokens = reserve
    this.#filledAtMs = now()
  }

  /** A new request begins. */
  request(): void {
    this.#add(this.#ratio)
  }

  /** Whether a retry may be sent; then it is counted. */
  take(): boolean {
    const nowMs = this.#now()
    // A clock that was set back brings nothing, and takes nothing away.
    const passedMs = Math.max(0, nowMs - this.#filledAtMs)
    this.#filledAtMs = nowMs
    if (this.#reserve === Number.POSITIVE_INFINITY) return true
    this.#add((passedMs / 60_000) * this.#reserve)
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  #add(tokens: number): void {
    this.#tokens = Math.min(this.#reserve, this.#tokens + tokens)
  }
}
