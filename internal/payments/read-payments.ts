import { idRange, type ListFilter } from '../core/list-filter.ts'
import type { Database, Sql } from '../database/database.ts'
import { knownWord } from '../database/known-word.ts'
import { PAYMENT_SCOPES, type Payment, type PaymentState } from './payment.ts'
import type { SettledResponse } from './payment-store.ts'

const columns = (sql: Sql) =>
  sql`client, id, scope, idempotency_key, state, trim_scale(amount)::text AS amount, currency, user_id, description,
    payment_method, metadata, gateway_key, created_at`

export async function findPayment(
  database: Database,
  client: string,
  id: string,
): Promise<Payment | undefined> {
  const [row] = await database.run(
    (sql) => sql`SELECT ${columns(sql)} FROM payments WHERE client = ${client} AND id = ${id}`,
  )
  return row === undefined ? undefined : parsePayment(row)
}

/** The payments of the client with these ids. The lateral join keeps PostgreSQL from a plan that scans the table. */
export async function findPayments(
  database: Database,
  client: string,
  ids: readonly string[],
): Promise<Payment[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT p.* FROM json_array_elements_text(${JSON.stringify(ids)}::text::json) AS asked(id)
      CROSS JOIN LATERAL (
        SELECT ${columns(sql)} FROM payments WHERE client = ${client} AND payments.id = asked.id::uuid LIMIT 1) AS p`,
  )
  return rows.map(parsePayment)
}

export interface PaymentFilter extends ListFilter {
  state: PaymentState | undefined
}

/**
 * Newest first. One state is asked for by its place in the index: as a plain condition it would let PostgreSQL look for it among
 * all payments of the client.
 */
export async function listPayments(
  database: Database,
  client: string,
  filter: PaymentFilter,
): Promise<Payment[]> {
  const { limit, key, state } = filter
  const { from, below } = idRange(filter)
  const rows = await database.run(
    (sql) => sql`
      SELECT ${columns(sql)} FROM ${key === undefined ? sql`payments` : paymentsOfKey(sql, client, key)}
      WHERE client = ${client} ${
        state === undefined
          ? sql`AND id >= ${from} AND id < ${below} ORDER BY id DESC`
          : sql`AND (state, id) >= (${state}, ${from}) AND (state, id) < (${state}, ${below}) ORDER BY state DESC, id DESC`
      } LIMIT ${limit}`,
  )
  return rows.map(parsePayment)
}

/** A key belongs to a route: it is looked up for each of them, whatever the plan that PostgreSQL keeps. */
const paymentsOfKey = (sql: Sql, client: string, key: string) => sql`
  json_array_elements_text(${JSON.stringify(PAYMENT_SCOPES)}::text::json) AS asked(route)
  CROSS JOIN LATERAL (
    SELECT * FROM payments
    WHERE client = ${client} AND payments.scope = asked.route AND idempotency_key = ${key} LIMIT 1) AS p`

export type KeyState =
  | { outcome: 'none' }
  | { outcome: 'open' }
  | { outcome: 'mismatch' }
  | { outcome: 'settled'; id: string; response: SettledResponse }

export interface PaymentKey {
  client: string
  scope: string
  key: string
  /** 64 hex digits. */
  fingerprint: string
}

export type ReadKey = (of: PaymentKey) => Promise<KeyState>

/** Reads the payment of a key and changes nothing. */
export async function readKey(database: Database, of: PaymentKey): Promise<KeyState> {
  const [row] = await database.run(
    (sql) => sql`
      SELECT id, encode(fingerprint, 'hex') AS fingerprint, response_status, response_body FROM payments
      WHERE client = ${of.client} AND scope = ${of.scope} AND idempotency_key = ${of.key}`,
  )
  if (row === undefined) return { outcome: 'none' }
  if (row.fingerprint !== of.fingerprint) return { outcome: 'mismatch' }
  if (!(row.response_body instanceof Buffer)) return { outcome: 'open' }
  return {
    outcome: 'settled',
    id: String(row.id),
    response: { status: Number(row.response_status), body: row.response_body },
  }
}

/** A payment whose lookup is due, taken by a new attempt. */
export interface DuePayment {
  payment: Payment
  attempt: number
  /** Number of lookups, with this one. */
  checks: number
  /** The last charge is so long ago that one that does not show was never made. */
  expired: boolean
}

export interface TakeDue {
  limit: number
  leaseMs: number
  /** Since the last charge that may have been sent. */
  expiryMs: number
}

/** A lookup further ahead than this shows that the clock of the database was set back. */
const PUT_BACK_MS = 1_200_000

/** Takes payments with a due lookup by new attempts, which fence the earlier ones. Rows locked by other nodes are skipped. */
export async function takeDue(
  database: Database,
  { limit, leaseMs, expiryMs }: TakeDue,
): Promise<DuePayment[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT * FROM oncekey_payment_take_due(
        ${limit}::integer, ${leaseMs}::float8, ${expiryMs}::float8, ${PUT_BACK_MS}::float8)`,
  )
  return rows.map((row) => ({
    payment: parsePayment(row),
    attempt: Number(row.attempt),
    checks: Number(row.checks),
    expired: row.expired === true,
  }))
}

/**
 * Takes a payment in state `unknown` for an operator who knows its outcome, by a new attempt that fences `seen`. undefined:
 * it does not exist or is not `unknown`, another attempt has followed or holds it, or its last charge was sent less than
 * `settleMs` ago and may be on its way.
 */
export async function takeUnknown(
  database: Database,
  of: { client: string; id: string; seen: number; leaseMs: number; settleMs: number },
): Promise<{ payment: Payment; attempt: number } | undefined> {
  const { client, id, seen, leaseMs, settleMs } = of
  const [row] = await database.run(
    (sql) => sql`
      UPDATE payments SET attempt = attempt + 1,
        lease_until = now() + make_interval(secs => ${leaseMs / 1000}), lease_ms = ${leaseMs}::integer
      WHERE client = ${client} AND id = ${id} AND attempt = ${seen} AND state = 'unknown'
        AND lease_until <= now() AND sent_at <= now() - make_interval(secs => ${settleMs / 1000})
      RETURNING ${columns(sql)}, attempt`,
  )
  return row === undefined ? undefined : { payment: parsePayment(row), attempt: Number(row.attempt) }
}

function parsePayment(row: Record<string, unknown>): Payment {
  if (!(row.created_at instanceof Date)) throw new Error('a payment without a time of creation')
  return {
    client: String(row.client),
    id: String(row.id),
    scope: String(row.scope),
    key: String(row.idempotency_key),
    state: knownWord(row.state, STATES),
    amount: String(row.amount),
    currency: optional(row.currency),
    userId: optional(row.user_id),
    description: optional(row.description),
    paymentMethod: optional(row.payment_method),
    metadata: optional(row.metadata),
    gatewayKey: String(row.gateway_key),
    createdAt: row.created_at,
  }
}

export const STATES: readonly PaymentState[] = ['processing', 'completed', 'declined', 'unknown']

function optional(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
