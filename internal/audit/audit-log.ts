import { type Database, isRowFault } from '../database/database.ts'
import { groupCommit } from '../database/group-commit.ts'
import { groupedByShard } from '../database/shards.ts'
import type { ChainEntry } from './chain.ts'

/** What `event_type` may be: lower-case words, joined by dots. The same as in sql/005_audit_log.sql. */
export const EVENT_TYPE = /^[a-z_]+(\.[a-z_]+)*$/

/** An entry to be written. */
export interface NewEntry {
  client: string
  /** For example `payment.replayed`. */
  eventType: string
  /** A JSON object as text, at most 64 KiB. Never a credential, a body or a full payment method. */
  entry: string
  /** The first append got no response: appends it only if it is not there, by the id in the entry. */
  again?: boolean
}

/** An entry of a client as it was written. */
export type WrittenEntry = Omit<ChainEntry, 'client'>

export interface Page {
  /** Only entries of this type. */
  eventType?: string | undefined
  limit: number
  /** Only entries with a lower number than this. */
  before?: number | undefined
}

export interface AuditLog {
  /**
   * Appends an entry and resolves with its number after COMMIT. Concurrent calls share a statement; entries of one client
   * keep their order. Rejects with `store_unavailable`, whose `effect` is 'unknown' when the entry may be written, or
   * with the error of the driver.
   */
  append(entry: NewEntry): Promise<number>
  /** Newest first. */
  list(client: string, page: Page): Promise<WrittenEntry[]>
}

export function auditLog(database: Database): AuditLog {
  return {
    append: groupCommit((entries: readonly NewEntry[]) => appendAll(database, entries), {
      isItemFault: isRowFault,
      // One statement after the other: those of one client keep their order.
      groupOf: groupedByShard(database, ({ client }: NewEntry) => client).groupOf,
    }),
    async list(client, { eventType, limit, before }) {
      const rows = await database.run(
        (sql) => sql`
          SELECT seq, oncekey_audit_time(at) AS at, event_type, entry, encode(hash, 'hex') AS hash FROM audit_log
          WHERE client = ${client} ${eventType === undefined ? sql`` : sql`AND event_type = ${eventType}`}
            ${before === undefined ? sql`` : sql`AND seq < ${before}`}
          ORDER BY seq DESC LIMIT ${limit}`,
      )
      return rows.map(parseEntry)
    },
  }
}

async function appendAll(database: Database, entries: readonly NewEntry[]): Promise<number[]> {
  const rows = JSON.stringify(
    entries
      .map(({ client, eventType, entry, again = false }, n) => ({
        n,
        client,
        event_type: eventType,
        entry,
        again,
      }))
      // Two statements that meet the same clients take them in the same order, so they cannot deadlock. The sort keeps
      // the order within a client.
      .sort((a, b) => (a.client < b.client ? -1 : a.client > b.client ? 1 : 0)),
  )
  // One row after the other, in the order of the array: nothing in the statement sorts or joins.
  const written = await database.run((sql) =>
    database.shards !== undefined
      ? sql`SELECT * FROM oncekey_audit_all(${entries[0]?.client ?? ''}, ${rows})`
      : sql`
      SELECT n, CASE WHEN again THEN oncekey_audit_again(client, event_type, entry)
        ELSE oncekey_audit(client, event_type, entry) END AS seq
      FROM json_to_recordset(${rows}::text::json) AS r(n int, client text, event_type text, entry text, again boolean)`,
  )
  const numbers = new Map(written.map((row) => [Number(row.n), Number(row.seq)]))
  return entries.map((_, n) => {
    const seq = numbers.get(n)
    if (seq === undefined) throw new Error('an entry that was written has no number')
    return seq
  })
}

export function parseEntry(row: Record<string, unknown>): WrittenEntry {
  return {
    seq: Number(row.seq),
    at: String(row.at),
    eventType: String(row.event_type),
    entry: String(row.entry),
    hash: String(row.hash),
  }
}
