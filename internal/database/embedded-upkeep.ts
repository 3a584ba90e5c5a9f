import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from './database.ts'

export interface UpkeepOptions {
  /** The interval of the checks. */
  everyMs: number
  /** WAL since the last checkpoint, in bytes, from which a checkpoint is run. */
  maxWalBytes: number
  /** A table is vacuumed with more dead rows than this plus a fifth of its live rows. */
  maxDeadRows: number
}

const USUAL: UpkeepOptions = {
  everyMs: 10_000,
  // About 50,000 orders. Their checkpoint delays other statements by 0.15 to 0.3 s (measured).
  maxWalBytes: 32 * 1_048_576,
  maxDeadRows: 10_000,
}
/** The age, in transactions, from which rows are frozen. The default of autovacuum is 200 million. */
const MAX_AGE = 150_000_000
/** For a checkpoint, or a vacuum of a large table, on a slow disk. Other statements wait meanwhile. */
const DEADLINE_MS = 120_000

/**
 * Runs checkpoints and vacuums for the embedded database. PGlite (0.5) has no background processes: without this, pg_wal
 * and the tables would grow in spite of `autovacuum = on`. Each check vacuums at most one table; 500,000 rows took 1.9 s.
 * `stop` waits for a check in flight.
 */
export function embeddedUpkeep(
  database: Database,
  { everyMs, maxWalBytes, maxDeadRows } = USUAL,
): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const check = async () => {
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
      // For example a full disk; the next check tries again.
      if (!stopping.signal.aborted) await check().catch(() => {})
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
