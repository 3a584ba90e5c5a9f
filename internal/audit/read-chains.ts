import type { Database } from '../database/database.ts'
import type { ChainEntry, Head } from './chain.ts'

/** What the database has of one client's chain, all at one moment. */
export interface ChainEnd {
  client: string
  /** null: the record of the end is not there. */
  head: Head | null
  /** The number of the last entry, 0 without any. */
  last: number
}

/** These read cold pages of big tables for an operator who waits; no request does. */
const DEADLINE_MS = 60_000
const CLIENTS_IN_PAGE = 200
/** At 64 KiB an entry at the very most 32 MiB, usually 200 KiB. */
const ENTRIES_IN_PAGE = 500

/** Of every client that has entries or a head, in the order of their names; or of one. */
export async function* chainEnds(database: Database, only?: string): AsyncGenerator<ChainEnd> {
  let after = ''
  for (;;) {
    const page = await endsAfter(database, after, only)
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < CLIENTS_IN_PAGE) return
    after = last.client
  }
}

/** One statement, so that an entry and the head that it moved are both there or both not. */
async function endsAfter(database: Database, after: string, only: string | undefined): Promise<ChainEnd[]> {
  const rows = await database.run(
    // The recursion looks up one client after the other: DISTINCT would read every entry.
    (sql) => sql`
      WITH RECURSIVE writers(client, n) AS (
        SELECT min(client), 1 FROM audit_log WHERE client > ${after}
        UNION ALL
        SELECT (SELECT min(l.client) FROM audit_log l WHERE l.client > w.client), n + 1 FROM writers w
        WHERE w.client IS NOT NULL AND n < ${CLIENTS_IN_PAGE}
      ), known AS (
        SELECT client FROM writers WHERE client IS NOT NULL
        UNION
        (SELECT client FROM audit_heads WHERE client > ${after} ORDER BY client LIMIT ${CLIENTS_IN_PAGE})
        ORDER BY client LIMIT ${CLIENTS_IN_PAGE}
      )
      SELECT k.client, h.seq, encode(h.hash, 'hex') AS hash,
        (SELECT max(l.seq) FROM audit_log l WHERE l.client = k.client) AS last
      FROM ${only === undefined ? sql`known` : sql`(SELECT ${only}::text COLLATE "C" AS client)`} AS k
      LEFT JOIN audit_heads h ON h.client = k.client
      WHERE k.client > ${after} AND (h.client IS NOT NULL
        OR EXISTS (SELECT FROM audit_log l WHERE l.client = k.client))
      ORDER BY k.client`,
    DEADLINE_MS,
  )
  return rows.map((row) => ({
    client: String(row.client),
    head: row.hash === null ? null : { seq: Number(row.seq), hash: String(row.hash) },
    last: Number(row.last ?? 0),
  }))
}

/** The entries of a client with numbers from `from` to `to`, both included, in the order of their numbers. */
export async function* chainEntries(
  database: Database,
  client: string,
  from: number,
  to: number,
): AsyncGenerator<ChainEntry> {
  let next = from
  for (;;) {
    const start = next
    const rows = await database.run(
      (sql) => sql`
        SELECT seq, oncekey_audit_time(at) AS at, event_type, entry, encode(hash, 'hex') AS hash FROM audit_log
        WHERE client = ${client} AND seq BETWEEN ${start} AND ${to}
        ORDER BY seq LIMIT ${ENTRIES_IN_PAGE}`,
      DEADLINE_MS,
    )
    for (const row of rows) {
      const seq = Number(row.seq)
      next = seq + 1
      yield {
        client,
        seq,
        at: String(row.at),
        eventType: String(row.event_type),
        entry: String(row.entry),
        hash: String(row.hash),
      }
    }
    if (rows.length < ENTRIES_IN_PAGE) return
  }
}

/** The number of the first entry of a client that was written at this time or later; undefined: there is none. */
export async function firstSince(
  database: Database,
  client: string,
  since: Date,
): Promise<number | undefined> {
  const [row] = await database.run(
    (sql) => sql`SELECT min(seq) AS seq FROM audit_log WHERE client = ${client} AND at >= ${since}`,
    DEADLINE_MS,
  )
  return row === undefined || row.seq === null ? undefined : Number(row.seq)
}

/** How many entries there are by the records of their ends: for a progress line. */
export async function countEntries(database: Database, only?: string): Promise<number> {
  const [row] = await database.run(
    (sql) => sql`
      SELECT coalesce(sum(seq), 0)::float8 AS n FROM audit_heads
      WHERE ${only ?? null}::text IS NULL OR client = ${only ?? null}`,
    DEADLINE_MS,
  )
  return Number(row?.n)
}
