import type { Database, Sql } from '../database/database.ts'
import type { OrderKey, Standing } from './placement.ts'

/**
 * An order that can be read may be missing on the synchronous standby: the wait for it was cut short, or the server was
 * restarted meanwhile. What is acknowledged because it was read has to be there, so that reading it is a commit of its
 * own, of nothing but a message in the log, which comes after all others and is waited for. It is one statement: two of
 * them might be run by two servers, one before a failover and one after it.
 */
export const logged = (sql: Sql) => sql`
  CASE WHEN current_setting('synchronous_standby_names') <> ''
    THEN pg_logical_emit_message(true, 'oncekey', '')::text END`

/** What the key stands for; undefined: for no order. */
export async function standing(
  database: Database,
  { client, key, fingerprint }: OrderKey,
  deadlineMs?: number,
): Promise<Standing | undefined> {
  const [row] = await database.run(
    (sql) => sql`
      SELECT id, encode(fingerprint, 'hex') AS fingerprint, response_status,
        convert_from(response_body, 'UTF8') AS body, ${logged(sql)} AS logged
      FROM orders WHERE client = ${client} AND idempotency_key = ${key}`,
    deadlineMs,
  )
  if (row === undefined) return undefined
  return standingFor(fingerprint, orderRow(row.id, row.fingerprint, row.response_status, row.body))
}

/** The row of an order, as its key needs it. */
export interface OrderRow {
  id: string
  /** 64 hex digits. */
  fingerprint: string
  status: number
  body: string
}

export function orderRow(id: unknown, fingerprint: unknown, status: unknown, body: unknown): OrderRow {
  return { id: String(id), fingerprint: String(fingerprint), status: Number(status), body: String(body) }
}

/** What the order stands for, for the request with this fingerprint. */
export function standingFor(asked: string, { id, fingerprint, status, body }: OrderRow): Standing {
  return fingerprint === asked
    ? { outcome: 'existing', id, response: { status, body } }
    : { outcome: 'mismatch', fingerprint }
}
