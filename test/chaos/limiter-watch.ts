import { monotonicMs } from './history.ts'
import { readLines } from './read-lines.ts'

export interface Outage {
  from: number
  to: number
}

const POLL_MS = 200
/** Longer than a decision may wait for Redis, and a log line for its way here. */
const MARGIN_MS = 2_000
const WORDS = /the outage of the rate limiter (begins|ends)|"msg":"ready"/g

/**
 * When nodes counted the limits by themselves because Redis did not respond to them: they say so in their logs. Also a
 * machine that is too busy can be the cause, so the schedule alone does not tell.
 */
export class LimiterWatch {
  readonly #files: readonly string[]
  readonly #read: number[]
  readonly #since: (number | undefined)[]
  readonly #outages: Outage[] = []
  readonly #timer: NodeJS.Timeout

  /** The logs of the nodes. */
  constructor(files: readonly string[]) {
    this.#files = files
    this.#read = files.map(() => 0)
    this.#since = files.map(() => undefined)
    this.#timer = setInterval(() => this.#look(), POLL_MS)
  }

  stop(): Outage[] {
    clearInterval(this.#timer)
    this.#look()
    for (const [n, since] of this.#since.entries()) {
      if (since !== undefined) this.#outages.push({ from: since, to: monotonicMs() + MARGIN_MS })
      this.#since[n] = undefined
    }
    return this.#outages
  }

  #look(): void {
    for (const [n, file] of this.#files.entries()) {
      const { text, to } = readLines(file, this.#read[n] ?? 0)
      this.#read[n] = to
      for (const [, word] of text.matchAll(WORDS)) {
        const since = this.#since[n]
        // A node that was killed within an outage has no word for its end; the next process begins without one.
        if (word === 'begins') this.#since[n] = since ?? monotonicMs() - MARGIN_MS
        else if (since !== undefined) {
          this.#outages.push({ from: since, to: monotonicMs() + MARGIN_MS })
          this.#since[n] = undefined
        }
      }
    }
  }
}
