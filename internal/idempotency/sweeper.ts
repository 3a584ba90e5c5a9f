import { checkNumber, MAX_TIMER_MS } from '../core/check-option.ts'
import type { Database } from '../database/database.ts'

/** Rows in one statement: some ten milliseconds, also for the one connection of the embedded database. */
const BATCH = 1_000
/** A statement of more rows would miss its deadline. */
const MAX_BATCH = 100_000
/** Between two batches: requests come first. 10,000 rows a second are more than a service can make. */
const PAUSE_MS = 100
/** A record that is over counts as absent at once; this is only about space. */
const EVERY_MS = 60_000

export interface SweeperOptions {
  /** After a sweep that removed something. */
  onRemoved?: (removed: number) => void
  onError?: (error: unknown) => void
  everyMs?: number
  batch?: number
  pauseMs?: number
}

/**
 * Removes the records whose time is over from Postgres, until it is stopped: every minute all that there are, in
 * batches with pauses. Any number of processes may sweep at once. In Redis records expire by themselves.
 */
export class Sweeper {
  readonly #database: Database
  readonly #options: SweeperOptions
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #batch: Promise<unknown> = Promise.resolve()
  #removed = 0

  constructor(database: Database, options: SweeperOptions = {}) {
    this.#database = database
    this.#options = options
    checkNumber('everyMs', options.everyMs ?? EVERY_MS, 0, MAX_TIMER_MS)
    checkNumber('pauseMs', options.pauseMs ?? PAUSE_MS, 0, MAX_TIMER_MS)
    checkNumber('batch', options.batch ?? BATCH, 1, MAX_BATCH)
    this.#after(options.everyMs ?? EVERY_MS)
  }

  /** Resolves when the batch in flight, if there is one, has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#batch
  }

  #after(ms: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#batch = this.#sweep()
    }, ms)
    this.#timer.unref()
  }

  async #sweep(): Promise<void> {
    const { batch = BATCH, pauseMs = PAUSE_MS, everyMs = EVERY_MS, onRemoved, onError } = this.#options
    let removed = 0
    try {
      removed = await sweepExpired(this.#database, batch)
      this.#removed += removed
    } catch (error) {
      onError?.(error)
    }
    // A batch that is not full has seen all, or another process has the rest.
    if (removed === batch) {
      this.#after(pauseMs)
      return
    }
    if (this.#removed > 0) onRemoved?.(this.#removed)
    this.#removed = 0
    this.#after(everyMs)
  }
}

/**
 * Removes up to `batch` records whose time is over; returns how many. Safe to run from many processes at once: each
 * takes rows that no other has. What is dispatched or unknown has no such time.
 *
 * @throws ServiceError `store_unavailable` when the database is away.
 * @example while ((await sweepExpired(database)) > 0) {}
 */
export async function sweepExpired(database: Database, batch = BATCH): Promise<number> {
  const [row] = await database.run((sql) => sql`SELECT oncekey_sweep(${batch}::integer) AS removed`)
  return Number(row?.removed)
}

/**
 * Removes expired keys from a PostgreSQL store, in the background, until it is stopped.
 *
 * @example const keys = sweeper(database); process.once('SIGTERM', () => keys.stop())
 */
export function sweeper(database: Database, options: SweeperOptions = {}): Sweeper {
  return new Sweeper(database, options)
}
