/** How often it is asked: a clock that is set is followed within this time. */
const EVERY_MS = 10_000

/** The clock of the database, Unix milliseconds, so that times from several nodes are in one order. */
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
