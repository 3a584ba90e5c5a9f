import type { DatabaseServer } from './database-url.ts'
import { withDeadline } from './deadline.ts'
import { createPool } from './pool.ts'

/** A server that is there responds within milliseconds; one that is cut off must not keep the others waiting. */
const ASK_MS = 1_000

/**
 * The server that takes writes; rejects if at this moment none does. A primary of before that came back
 * beside the one that was promoted since takes writes too: the one that was promoted last, by its timeline, is chosen.
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
  throw failed?.reason ?? new Error('none of the hosts takes writes')
}

/** Eight hex digits, one more with every promotion; undefined: it takes no writes. */
async function timelineOf(server: DatabaseServer): Promise<string | undefined> {
  const { sql } = createPool(server, { connectTimeoutMs: ASK_MS, maxConnections: 1 })
  try {
    const [row] = await withDeadline(
      Promise.resolve(sql`
        SELECT CASE WHEN current_setting('transaction_read_only') = 'off'
          THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline`),
      ASK_MS,
      'database',
    )
    return typeof row?.timeline === 'string' ? row.timeline : undefined
  } finally {
    void sql.end({ timeout: 0 }).catch(() => {})
  }
}
