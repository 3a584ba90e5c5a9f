import { ServiceError } from '../core/service-error.ts'
import type { AuditLog, NewEntry } from './audit-log.ts'
import type { AuditObservation } from './observation.ts'

export interface ObservationsOptions {
  append: AuditLog['append']
  /** Unix milliseconds. */
  now: () => number
  /** A new id for each entry, by which a write is found whose response was lost. */
  newId: () => string
  /** Called with the number of lost observations, at most once for each write. */
  onLost: (count: number, why: 'full' | 'refused' | 'stopped', cause?: unknown) => void
}

interface Sending extends NewEntry {
  count: number
}

interface Waiting extends AuditObservation {
  count: number
  observedAtMs: number
}

/** Between two writes: a flood is folded, and an entry is soon there. */
const WRITE_EVERY_MS = 1_000
/** Entries of one kind (client, event, route, status, code) in a write with a key; the others share one. */
const KEYED_OF_A_KIND = 5
/** About 5 MB. During an outage each kind has six entries at most. */
const MAX_ENTRIES = 10_000
/** As many as fit into one statement of the log. */
const CHUNK = 128
/** Between two tries of close(). */
const CLOSE_RETRY_MS = 200

/**
 * Writes observations into the audit trail in groups, in the background, so that a database that is away neither delays a
 * response nor loses them, as long as there is room. Equal ones of a write become one entry with a `count`. A process
 * that is killed loses the last second; every other loss is counted and reported.
 */
export class Observations {
  readonly #options: ObservationsOptions
  #waiting = new Map<string, Waiting>()
  /** By kind: entries with a key in #waiting. */
  #keyed = new Map<string, number>()
  /** Taken out of #waiting in order, with final texts. */
  #sending: Sending[] = []
  #overflow = 0
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: ObservationsOptions) {
    this.#options = options
  }

  /** Writes once a second until close(). */
  start(): void {
    this.#timer = setInterval(() => void this.write(), WRITE_EVERY_MS).unref()
  }

  /** Never throws and never waits. */
  add(observation: AuditObservation): void {
    if (this.#closed) {
      this.#options.onLost(1, 'stopped')
      return
    }
    const { client, eventType, route, status, code } = observation
    const kind = [client, eventType, route, status, code].join('\n')
    const keyed = this.#keyed.get(kind) ?? 0
    // A key is visible ASCII, so no key looks like another kind.
    const own = `${kind}\n${observation.key ?? ''}`
    const { key, place } =
      observation.key === undefined || (keyed >= KEYED_OF_A_KIND && !this.#waiting.has(own))
        ? { key: undefined, place: kind }
        : { key: observation.key, place: own }
    const equal = this.#waiting.get(place)
    if (equal !== undefined) {
      equal.count++
    } else if (this.#waiting.size + this.#sending.length >= MAX_ENTRIES) {
      this.#overflow++
    } else {
      if (key !== undefined) this.#keyed.set(kind, keyed + 1)
      this.#waiting.set(place, { ...observation, key, count: 1, observedAtMs: this.#options.now() })
    }
  }

  /** Writes all; resolves also when the database is away. Concurrent calls share a write. Never rejects. */
  write(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  /** Resolves when all is written, or after `withinMs`: the rest is lost. */
  async close(withinMs: number): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    const untilMs = performance.now() + withinMs
    // A write in flight may have begun before the last entry.
    await this.#writing
    await this.write()
    while (this.#left() > 0 && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, CLOSE_RETRY_MS))
      await this.write()
    }
    const left = this.#left()
    if (left > 0) this.#options.onLost(left, 'stopped')
  }

  #left(): number {
    const counts = [...this.#sending, ...this.#waiting.values()].map(({ count }) => count)
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** First the rest of an earlier write; new entries are folded until it is written. */
  async #writeAll(): Promise<void> {
    if (this.#overflow > 0) this.#options.onLost(this.#overflow, 'full')
    this.#overflow = 0
    if (await this.#sendAll()) {
      this.#sending = [...this.#waiting.values()].map((one) => this.#entry(one))
      this.#waiting = new Map()
      this.#keyed = new Map()
      await this.#sendAll()
    }
  }

  /** false: the database is away. */
  async #sendAll(): Promise<boolean> {
    while (this.#sending.length > 0) {
      const chunk = this.#sending.slice(0, CHUNK)
      const again = await this.#send(chunk)
      this.#sending.splice(0, chunk.length, ...again)
      if (again.length > 0) return false
    }
    return true
  }

  /** Resolves with the entries to be sent again. */
  async #send(chunk: readonly Sending[]): Promise<Sending[]> {
    const results = await Promise.allSettled(chunk.map((entry) => this.#options.append(entry)))
    const again: Sending[] = []
    let refused = 0
    let cause: unknown
    for (const [i, entry] of chunk.entries()) {
      const result = results[i]
      if (result?.status !== 'rejected') continue
      const reason: unknown = result.reason
      if (reason instanceof ServiceError) {
        again.push({ ...entry, again: entry.again === true || reason.effect === 'unknown' })
      } else {
        refused += entry.count
        cause ??= reason
      }
    }
    if (refused > 0) this.#options.onLost(refused, 'refused', cause)
    return again
  }

  #entry({ client, eventType, count, ...seen }: Waiting): Sending {
    const entry = JSON.stringify({
      id: this.#options.newId(),
      request_id: seen.requestId,
      route: seen.route,
      http_status: seen.status,
      code: seen.code,
      idempotency_key: seen.key,
      count,
      observed_at: new Date(seen.observedAtMs).toISOString(),
    })
    return { client, eventType, count, entry }
  }
}
