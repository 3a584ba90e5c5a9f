/** How often the clock is read: after it was set, `now` is correct within this time. */
const EVERY_MS = 10_000

/** The clock of the database, in Unix milliseconds, so that times of several nodes are comparable. */
export class DatabaseClock {
  readonly #clockMs: () => Promise<number>
  readonly #timer: NodeJS.Timeout
  #offsetMs: number

  private constructor(clockMs: () => Promise<number>, offsetMs: number) {
    this.#clockMs = clockMs
    this.#offsetMs = offsetMs
    this.#timer = setInterval(() => void this.#refresh(), EVERY_MS)
    this.#timer.unref()
  }

  /** `clockMs`: reads the clock of the database. */
  static async open(clockMs: () => Promise<number>): Promise<DatabaseClock> {
    return new DatabaseClock(clockMs, await readOffsetMs(clockMs))
  }

  readonly now = (): number => Math.round(performance.now() + this.#offsetMs)

  close(): void {
    clearInterval(this.#timer)
  }

  async #refresh(): Promise<void> {
    try {
      this.#offsetMs = await readOffsetMs(this.#clockMs)
    } catch {
      // The database is unreachable; the last offset stays in use.
    }
  }
}

/** The clock of the database minus performance.now(). The middle of the call is taken as the time of the reading. */
async function readOffsetMs(clockMs: () => Promise<number>): Promise<number> {
  const sentMs = performance.now()
  const theirMs = await clockMs()
  return theirMs - (sentMs + performance.now()) / 2
}
