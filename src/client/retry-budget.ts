/**
 * Limits the retries of a client to `ratio` for each request plus `reserve` a minute, so that retries do not multiply the
 * load on a service that is down. A token bucket with a capacity of `reserve` tokens.
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

  /** Called for each new request. */
  request(): void {
    this.#add(this.#ratio)
  }

  /** Whether a retry may be sent. If so, it is counted. */
  take(): boolean {
    const nowMs = this.#now()
    // A clock that was set back adds no tokens and removes none.
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
