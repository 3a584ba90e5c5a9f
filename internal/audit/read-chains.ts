import type { Database } from '../database/database.ts'
import { parseEntry } from './audit-log.ts'
import type { ChainEntry, Head } from './chain.ts'

/** The chain of one client in the database, of one moment. */
export interface ChainEnd {
  client: string
  /** null: there is no record of the end. */
  head: Head | null
  /** The number of the last entry, 0 without any. */
  last: number
}

/** For operators: cold pages of large tables. */
const DEADLINE_MS = 60_000
const CLIENTS_IN_PAGE = 200
/** At 64 KiB an entry at the very most 32 MiB, usually 200 KiB. */
const ENTRIES_IN_PAGE = 500

/** Of every client with entries or a head, by name; or of one. */
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

async function endsAfter(database: Database, after: string, only: string | undefined): Promise<ChainEnd[]> {
  const rows = await database.run(
    (sql) =>
      sql`SELECT * FROM oncekey_audit_ends(${after}, ${only ?? null}::text, ${CLIENTS_IN_PAGE}::integer)`,
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
      const entry = parseEntry(row)
      next = entry.seq + 1
      yield { client, ...entry }
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

/** The number of entries by the records of their ends, for a progress line. */
export async function countEntries(database: Database, only?: string): Promise<number> {
  const [row] = await database.run(
    (sql) => sql`
      SELECT coalesce(sum(seq), 0)::float8 AS n FROM audit_heads
      WHERE ${only ?? null}::text IS NULL OR client = ${only ?? null}`,
    DEADLINE_MS,
  )
  return Number(row?.n)
}
