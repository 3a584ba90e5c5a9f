/** How often it is asked: a clock that is set is followed within this time. */
const EVERY_MS = 10_000

/**
 * The clock of the database as this process knows it, in Unix milliseconds: what is written down by several nodes is in
 * one order, whatever the clocks of their machines say. Between two looks it goes on as time does.
 */
export class DatabaseClock {
  readonly #clockMs: () => Promise<number>
  readonly #timer: NodeJS.Timeout
  #aheadMs: number

  private constructor(clockMs: () => Promise<number>, aheadMs: number) {
    this.#clockMs = clockMs
    this.#aheadMs = aheadMs
    this.#timer = setInterval(() => void this.#look(), EVERY_MS)
    this.#timer.unref()
  }

  /** `clockMs`: what the clock of the database reads. */
  static async open(clockMs: () => Promise<number>): Promise<DatabaseClock> {
    return new DatabaseClock(clockMs, await aheadMs(clockMs))
  }

  readonly now = (): number => Math.round(performance.now() + this.#aheadMs)

  close(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    try {
      this.#aheadMs = await aheadMs(this.#clockMs)
    } catch {
      // The database is away: until it is back nothing is written down.
    }
  }
}

/** Of the monotonic clock of this process. The database has read its clock some time within the call. */
async function aheadMs(clockMs: () => Promise<number>): Promise<number> {
  const sentMs = performance.now()
  const theirMs = await clockMs()
  return theirMs - (sentMs + performance.now()) / 2
}
