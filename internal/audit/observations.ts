import { ServiceError } from '../core/service-error.ts'
import type { AuditLog, NewEntry } from './audit-log.ts'
import type { AuditObservation } from './observation.ts'

export interface ObservationsOptions {
  append: AuditLog['append']
  /** Unix milliseconds. */
  now: () => number
  /** A new id for each entry: by it, a writing whose response was lost is found again. */
  newId: () => string
  /** How many observations will never be written, and why; told at most once for each writing. */
  onLost: (count: number, why: 'full' | 'refused' | 'stopped', cause?: unknown) => void
}

interface Sending extends NewEntry {
  count: number
}

interface Waiting extends AuditObservation {
  count: number
  observedAtMs: number
}

/** Between two writings: as long as that a flood is folded, short enough to find one's entry when looking for it. */
const WRITE_EVERY_MS = 1_000
/** Entries of one kind (client, event, route, status, code) in one writing that keep their key; the others share one. */
const KEYED_OF_A_KIND = 5
/** Entries in memory, about 5 MB: during an outage each kind has six at the most, so this many take many clients. */
const MAX_ENTRIES = 10_000
/** Sent at once: as many as fit into one statement of the log. */
const CHUNK = 128
/** Between two tries at the end. */
const CLOSE_RETRY_MS = 200

/**
 * Observations on their way into the audit trail. Unlike the entries of the payments, which are committed together with
 * what they tell, these are written a moment later and in groups: no request waits for them, and a database that is away
 * neither delays a response nor loses them, as long as there is room. Equal ones within a writing become one entry with a
 * `count`, so that a client that is refused a thousand times a second writes six entries and not a thousand. A process that is
 * killed loses what it saw in the last second (and during an outage); every other loss is counted and told.
 */
export class Observations {
  readonly #options: ObservationsOptions
  #waiting = new Map<string, Waiting>()
  /** By kind: how many in #waiting have a key. */
  #keyed = new Map<string, number>()
  /** Taken out of #waiting, in order; their text is final. */
  #sending: Sending[] = []
  #overflow = 0
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: ObservationsOptions) {
    this.#options = options
  }

  /** Writes what has come together, once a second until close(). */
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

  /** Resolves when what has come together is written, or the database is away; a call meanwhile shares it. Never rejects. */
  write(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  /** Takes nothing more; resolves when all is written, or `withinMs` is over and the rest is lost. */
  async close(withinMs: number): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    const untilMs = performance.now() + withinMs
    // A writing that is in flight may have begun before the last was added.
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

  /** First what an earlier try left: as long as that is not written, what comes in goes on being folded. */
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

  /** false: the database is away, and the next writing tries again. */
  async #sendAll(): Promise<boolean> {
    while (this.#sending.length > 0) {
      const chunk = this.#sending.slice(0, CHUNK)
      const again = await this.#send(chunk)
      this.#sending.splice(0, chunk.length, ...again)
      if (again.length > 0) return false
    }
    return true
  }

  /** Resolves with what has to be sent again. */
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
