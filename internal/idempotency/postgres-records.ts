import type { Database } from '../database/database.ts'
import { importIntoPostgres } from './import-into-postgres.ts'
import {
  type KeyRecord,
  type KeyRecords,
  parseResolution,
  parseState,
  type Resolution,
} from './key-records.ts'
import { type PostgresStoreOptions, postgresStore } from './postgres-store.ts'
import { parseHeaders } from './response-headers.ts'
import { boundedScope, DEFAULT_TTL_MS, type KeyId, parseReason } from './store.ts'

export interface PostgresRecordsOptions extends PostgresStoreOptions {
  /** Rows looked at in one step. */
  page?: number
}

const PAGE = 1_000
/** A step reads a page of an index; on a busy disk, and in a table that was not vacuumed, that can take a while. */
const STEP_MS = 10_000

/**
 * The keys of `postgresStore` with the same options, for operators.
 *
 * @example for await (const key of postgresRecords(database, {}).list({ state: 'unknown' })) console.log(key)
 */
export function postgresRecords(database: Database, options: PostgresRecordsOptions): KeyRecords {
  const { page = PAGE } = options
  return {
    async *list({ state, client }) {
      let last: KeyId = { client: '', scope: '', key: '' }
      for (;;) {
        const rows = await database.run(
          // What is unknown has no end: so it is found among millions of responses by the index on expires_at.
          (sql) => sql`
            SELECT * FROM ${
              state === 'unknown'
                ? sql`(SELECT * FROM oncekey_keys WHERE expires_at = 'infinity' OFFSET 0) AS k`
                : sql`oncekey_keys AS k`
            }
            WHERE (client, scope, key) > (${last.client}, ${last.scope}, ${last.key})
              ${client === undefined ? sql`` : sql`AND client = ${client}`}
            ORDER BY client, scope, key LIMIT ${page}::integer`,
          STEP_MS,
        )
        for (const row of rows) {
          const record = parseRecord(row)
          last = record.id
          if (state === undefined || record.state === state) yield record
        }
        if (rows.length < page) return
      }
    },
    async show({ client, scope, key }) {
      const [row] = await database.run(
        (sql) => sql`
          SELECT * FROM oncekey_keys
          WHERE client = ${client} AND scope = ${boundedScope(scope)} AND key = ${key}`,
      )
      return row === undefined ? undefined : parseRecord(row)
    },
    async response({ client, scope, key }) {
      const [row] = await database.run(
        (sql) => sql`
          SELECT status, headers, body FROM idempotency_keys
          WHERE client = ${client} AND scope = ${boundedScope(scope)} AND key = ${key} AND state = 'completed'
            AND expires_at > now()`,
      )
      if (!(row?.body instanceof Buffer)) return undefined
      return { status: Number(row.status), headers: parseHeaders(String(row.headers)), body: row.body }
    },
    resolve: postgresStore(database, options).resolve,
    importAll: (keys, how) =>
      importIntoPostgres(database, keys, { ttlMs: DEFAULT_TTL_MS, ...options, ...how }),
    log: (client) => resolutions(database, client, page),
  }
}

async function* resolutions(
  database: Database,
  client: string | undefined,
  page: number,
): AsyncIterable<Resolution> {
  let last = { client: '', seq: '0' }
  for (;;) {
    const rows = await database.run(
      (sql) => sql`
        SELECT client, seq, at, event_type, entry FROM audit_log
        WHERE event_type IN ('key.resolved', 'key.released') AND (client, seq) > (${last.client}, ${last.seq}::bigint)
          ${client === undefined ? sql`` : sql`AND client = ${client}`}
        ORDER BY client, seq LIMIT ${page}::integer`,
      STEP_MS,
    )
    for (const row of rows) {
      last = { client: String(row.client), seq: String(row.seq) }
      if (!(row.at instanceof Date)) throw new Error('an audit entry has no time')
      yield parseResolution(last.client, row.at, String(row.event_type), String(row.entry))
    }
    if (rows.length < page) return
  }
}

function parseRecord(row: Record<string, unknown>): KeyRecord {
  const number = (one: unknown) => (one === null ? undefined : Number(one))
  const state = parseState(String(row.state))
  return {
    id: { client: String(row.client), scope: String(row.scope), key: String(row.key) },
    state,
    held: String(row.held),
    attempt: Number(row.attempt),
    reason: state === 'unknown' ? parseReason(String(row.reason)) : undefined,
    sinceMs: number(row.since_ms),
    leaseMs: number(row.lease_ms),
    expiresMs: number(row.expires_ms),
    status: number(row.status),
    resolvedBy: row.resolved_by === null ? undefined : String(row.resolved_by),
  }
}
