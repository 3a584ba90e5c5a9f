import { Gauge, type Registry } from 'prom-client'
import { keptLook } from '../../internal/core/kept-look.ts'
import type { KeyRecords } from '../../internal/idempotency/key-records.ts'

/** In Redis each look walks through all keys: it ends after this long, */
const LOOK_MS = 3_000
/** and what it found is kept for some times as long as it took, and for this long at least. */
const KEEP_TIMES = 50
const MIN_KEEP_MS = 15_000

/** A gauge of the keys with an unknown outcome. They are counted when the metrics are read, one look at a time. */
export function watchUnknownKeys(registry: Registry, records: Pick<KeyRecords, 'list'>): void {
  // A store that is away says nothing of its keys: no number, where 0 would look like good news.
  const unknown = keptLook(() => countUnknown(records).catch(() => Number.NaN), KEEP_TIMES, MIN_KEEP_MS)
  new Gauge({
    name: 'idempotency_keys_unknown',
    help: 'Keys in the store whose outcome is not known, at least; NaN while the store is away',
    // Several processes count the same keys.
    aggregator: 'max',
    registers: [registry],
    async collect() {
      this.set(await unknown.look())
    },
  })
}

async function countUnknown(records: Pick<KeyRecords, 'list'>): Promise<number> {
  const untilMs = performance.now() + LOOK_MS
  let count = 0
  for await (const _ of records.list({ state: 'unknown' })) {
    count++
    if (performance.now() > untilMs) break
  }
  return count
}
