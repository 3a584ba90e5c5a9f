import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from './database.ts'
import { ADVISORY_LOCK } from './migrate.ts'

/** Each row is copied, and every index is rebuilt. */
const DEADLINE_MS = 86_400_000

/**
 * Partitions the growing tables by a hash of the client; see `partitioning/by_client.sql` in `directory`. Cannot be
 * undone.
 */
export async function partitionByClient(
  database: Database,
  directory: string,
  partitions: number,
): Promise<void> {
  const text = readFileSync(join(directory, 'partitioning', 'by_client.sql'), 'utf8')
  // PostgreSQL runs a simple query as one transaction.
  const statements = `
    SELECT pg_advisory_xact_lock(${ADVISORY_LOCK});
    SELECT set_config('oncekey.partitions', '${partitions}', true);
    ${text}`
  await database.run((sql) => sql.unsafe(statements), DEADLINE_MS)
}

/** The partitioned tables with the number of their partitions. */
export async function partitionedTables(
  database: Database,
): Promise<{ table: string; partitions: number }[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT inhparent::regclass::text AS "table", count(*)::integer AS partitions
      FROM pg_inherits JOIN pg_class ON pg_class.oid = inhparent
      WHERE relkind = 'p' AND relnamespace = current_schema()::regnamespace GROUP BY inhparent ORDER BY 1`,
  )
  return rows.map((row) => ({ table: String(row.table), partitions: Number(row.partitions) }))
}
