import { BUCKET_MS, BUCKETS, type HeldLock, type NodeReport, OUTCOMES, type Outcome } from './node-report.ts'

/** `lock`: returns the key that the request holds, if any. */
interface InFlight {
  startedMs: number
  lock: () => Omit<HeldLock, 'ageMs'> | undefined
}

/** The busiest clients are those of five minutes. */
const CLIENT_BUCKETS = 30
/** Clients counted in one bucket; more are not counted. */
const MAX_CLIENTS = 200
const SHOWN_CLIENTS = 12
const SHOWN_LOCKS = 20

interface Count {
  requests: number
  limited: number
}

/** The requests of the last quarter of an hour, in bounded memory. */
export class Traffic {
  readonly #now: () => number
  readonly #buckets = new Map<number, number[]>()
  readonly #clients = new Map<number, Map<string, Count>>()
  readonly #inFlight = new Map<object, InFlight>()
  #total = 0

  /** `now`: Unix milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** All requests so far. */
  get total(): number {
    return this.#total
  }

  /** `request`: any object, the same at its end. */
  begin(request: object, lock: InFlight['lock']): void {
    this.#inFlight.set(request, { startedMs: this.#now(), lock })
  }

  end(request: object, outcome: Outcome, client: string | undefined): void {
    this.#inFlight.delete(request)
    this.#total++
    const number = Math.floor(this.#now() / BUCKET_MS)
    const counts = inBucket(this.#buckets, number, BUCKETS, () => OUTCOMES.map(() => 0))
    const place = OUTCOMES.indexOf(outcome)
    counts[place] = (counts[place] ?? 0) + 1
    if (client === undefined) return
    const clients = inBucket(this.#clients, number, CLIENT_BUCKETS, () => new Map<string, Count>())
    const known = clients.get(client)
    if (known === undefined && clients.size >= MAX_CLIENTS) return
    const { requests, limited } = known ?? { requests: 0, limited: 0 }
    clients.set(client, { requests: requests + 1, limited: limited + (outcome === 'limited' ? 1 : 0) })
  }

  report(): Pick<NodeReport, 'buckets' | 'clients' | 'locks' | 'inFlight'> {
    const last = Math.floor(this.#now() / BUCKET_MS)
    const buckets = [...this.#buckets].filter(([number]) => number > last - BUCKETS)
    return {
      inFlight: this.#inFlight.size,
      buckets: buckets.map(([number, counts]) => [number, [...counts]]),
      clients: this.#busiest(last),
      locks: this.#locks(),
    }
  }

  #busiest(last: number): NodeReport['clients'] {
    const sums = new Map<string, Count>()
    for (const [number, clients] of this.#clients) {
      if (number <= last - CLIENT_BUCKETS) continue
      for (const [client, { requests, limited }] of clients) {
        const sum = sums.get(client) ?? { requests: 0, limited: 0 }
        sums.set(client, { requests: sum.requests + requests, limited: sum.limited + limited })
      }
    }
    return [...sums]
      .map(([client, sum]) => ({ client, ...sum }))
      .sort((a, b) => b.requests - a.requests)
      .slice(0, SHOWN_CLIENTS)
  }

  /** Oldest first. */
  #locks(): HeldLock[] {
    const locks: HeldLock[] = []
    for (const { startedMs, lock } of this.#inFlight.values()) {
      const held = lock()
      if (held !== undefined) locks.push({ ...held, ageMs: this.#now() - startedMs })
      if (locks.length === SHOWN_LOCKS) break
    }
    return locks
  }
}

/** The entry of the bucket; a new one replaces old ones. */
function inBucket<T>(buckets: Map<number, T>, number: number, kept: number, empty: () => T): T {
  const present = buckets.get(number)
  if (present !== undefined) return present
  for (const old of buckets.keys()) if (old <= number - kept) buckets.delete(old)
  const fresh = empty()
  buckets.set(number, fresh)
  return fresh
}
