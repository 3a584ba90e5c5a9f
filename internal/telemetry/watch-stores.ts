import { Gauge, type Registry } from 'prom-client'
import { clockSkewMs } from '../database/clock-skew.ts'

export interface WatchedStore {
  /** Unix milliseconds. Rejects within a deadline. */
  clockMs(): Promise<number>
}

export interface Watched {
  stores: Readonly<Record<string, WatchedStore>>
  /** Statements in flight and waiting, and the connections that there are for them. */
  databaseLoad(): { inFlight: number; connections: number }
  /** `maxmemory-policy`; undefined where it cannot be read. Absent without Redis. */
  evictionPolicy?: () => Promise<string | undefined>
  /** Unix milliseconds. */
  now(): number
}

/** Gauges of the stores, which are asked when the metrics are read. Concurrent readers share one look. */
export function watchStores(registry: Registry, watched: Watched): void {
  const registers = [registry]
  // Both gauges are collected at the same time and share the look.
  const collect = shared(async () => {
    await Promise.all(Object.entries(watched.stores).map((entry) => look(entry)))
  })
  const up = new Gauge({
    name: 'store_up',
    help: '1 while the store responds to this process, 0 otherwise',
    labelNames: ['store'],
    // Of several workers: the worst.
    aggregator: 'min',
    registers,
    collect,
  })
  const skew = new Gauge({
    name: 'store_clock_skew_seconds',
    help: 'By how much the clock of the store is ahead of ours for certain; negative: behind',
    labelNames: ['store'],
    aggregator: 'average',
    registers,
    collect,
  })
  const look = async ([store, { clockMs }]: [string, WatchedStore]): Promise<void> => {
    const sentMs = watched.now()
    try {
      const theirMs = await clockMs()
      skew.set({ store }, clockSkewMs(theirMs, sentMs, watched.now()) / 1000)
      up.set({ store }, 1)
    } catch {
      // An old value would look like a new one.
      skew.remove({ store })
      up.set({ store }, 0)
    }
  }
  new Gauge({
    name: 'database_statements_in_flight',
    help: 'Statements sent to the database or waiting for a connection',
    registers,
    collect() {
      this.set(watched.databaseLoad().inFlight)
    },
  })
  new Gauge({
    name: 'database_connections_max',
    help: 'Connections to the database that this process opens at most',
    registers,
    collect() {
      this.set(watched.databaseLoad().connections)
    },
  })
  const { evictionPolicy } = watched
  if (evictionPolicy === undefined) return
  const policyOf = shared(evictionPolicy)
  new Gauge({
    name: 'redis_eviction_unsafe',
    help: '1 while maxmemory-policy is another than noeviction, which may throw keys away; 0 also if it cannot be read',
    aggregator: 'max',
    registers,
    async collect() {
      const policy = await policyOf()
      this.set(policy === undefined || policy === 'noeviction' ? 0 : 1)
    },
  })
}

/** Concurrent calls share one. */
function shared<T>(call: () => Promise<T>): () => Promise<T> {
  let inFlight: Promise<T> | undefined
  return () => {
    inFlight ??= call().finally(() => {
      inFlight = undefined
    })
    return inFlight
  }
}
