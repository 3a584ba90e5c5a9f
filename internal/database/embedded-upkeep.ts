import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from './database.ts'

export interface UpkeepOptions {
  /** Between two looks, ms. */
  everyMs: number
  /** Of WAL since the last checkpoint, from which there is another one. */
  maxWalBytes: number
  /** Of a table, beside a fifth of its rows, from which it is vacuumed. */
  maxDeadRows: number
}

const USUAL: UpkeepOptions = {
  everyMs: 10_000,
  // About 50,000 orders: their checkpoint keeps other statements waiting for 0.15 to 0.3 s (measured).
  maxWalBytes: 32 * 1_048_576,
  maxDeadRows: 10_000,
}
/** Transactions after which rows are frozen, long before their numbers run out: autovacuum's own default is 200 million. */
const MAX_AGE = 150_000_000
/** A checkpoint, or a vacuum of a large table, on a slow disk; nothing else can be done meanwhile. */
const DEADLINE_MS = 120_000

/**
 * PGlite (0.5) has no background processes: without this pg_wal and the tables would grow, in spite of `autovacuum = on`.
 * One table a look is vacuumed; 500,000 rows took 1.9 s. `stop` waits for a look in flight.
 */
export function embeddedUpkeep(
  database: Database,
  { everyMs, maxWalBytes, maxDeadRows } = USUAL,
): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const look = async () => {
    const [row] = await database.run(
      (sql) => sql`
        SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn) > ${maxWalBytes} AS due FROM pg_control_checkpoint()`,
    )
    if (row?.due === true) await database.run((sql) => sql`CHECKPOINT`, DEADLINE_MS)
    const [table] = await database.run(
      (sql) => sql`
        SELECT s.relid::regclass::text AS name FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
        WHERE s.n_dead_tup > ${maxDeadRows} + s.n_live_tup / 5 OR age(c.relfrozenxid) > ${MAX_AGE}
        ORDER BY s.n_dead_tup DESC LIMIT 1`,
    )
    if (table !== undefined) {
      await database.run((sql) => sql.unsafe(`VACUUM (ANALYZE) ${table.name}`), DEADLINE_MS)
    }
  }
  const run = async () => {
    while (!stopping.signal.aborted) {
      await sleep(everyMs, undefined, { ref: false, signal: stopping.signal }).catch(() => {})
      // A full disk, for one; the next look tries again.
      if (!stopping.signal.aborted) await look().catch(() => {})
    }
  }
  const running = run()
  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}
