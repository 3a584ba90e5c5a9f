import type { DatabaseServer } from './database-url.ts'
import { withDeadline } from './deadline.ts'
import { createPool } from './pool.ts'

/** A reachable server responds within milliseconds; an unreachable one must not delay the search. */
const RESPONSE_MS = 1_000

/**
 * The server that accepts writes; rejects if none does now. A former primary that came back accepts writes too, so the
 * server with the highest timeline, which was promoted last, is chosen.
 */
export async function findPrimary(servers: readonly DatabaseServer[]): Promise<DatabaseServer> {
  const responses = await Promise.allSettled(servers.map(timelineOf))
  let best: { server: DatabaseServer; timeline: string } | undefined
  for (const [i, server] of servers.entries()) {
    const response = responses[i]
    const timeline = response?.status === 'fulfilled' ? response.value : undefined
    if (timeline !== undefined && (best === undefined || timeline > best.timeline))
      best = { server, timeline }
  }
  if (best !== undefined) return best.server
  const failed = responses.find((response) => response.status === 'rejected')
  throw failed?.reason ?? new Error('none of the hosts accepts writes')
}

/** The timeline as eight hex digits, which grows with each promotion; undefined if the server accepts no writes. */
async function timelineOf(server: DatabaseServer): Promise<string | undefined> {
  const { sql } = createPool(server, { connectTimeoutMs: RESPONSE_MS, maxConnections: 1 })
  try {
    const [row] = await withDeadline(
      Promise.resolve(sql`
        SELECT CASE WHEN current_setting('transaction_read_only') = 'off'
          THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline`),
      RESPONSE_MS,
      'database',
    )
    return typeof row?.timeline === 'string' ? row.timeline : undefined
  } finally {
    void sql.end({ timeout: 0 }).catch(() => {})
  }
}
