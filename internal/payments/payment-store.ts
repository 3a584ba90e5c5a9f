import { retryOnceIfUnknown } from '../core/retry-once-if-unknown.ts'
import { type Database, isRowFault, type Sql } from '../database/database.ts'
import { batchJson, groupCommit, type Row, resultsByNumber } from '../database/group-commit.ts'
import { groupedByShard } from '../database/shards.ts'
import type { Payment } from './payment.ts'

export interface BeginRequest {
  /** As it is stored if it is new. */
  payment: Payment
  /** 64 hex digits. */
  fingerprint: string
  requestId: string | undefined
}

export interface SettledResponse {
  status: number
  body: Buffer
}

export type BeginResult =
  /** The payment is committed with `sent_at` = now: a charge may be sent. */
  | { outcome: 'begun' }
  /** An earlier attempt left it open. `waitMs`: until then its charge may still show, so no new one may be sent. */
  | { outcome: 'taken_over'; id: string; attempt: number; createdAt: Date; unknown: boolean; waitMs: number }
  | { outcome: 'in_progress'; waitMs: number }
  | { outcome: 'settled'; id: string; response: SettledResponse }
  | { outcome: 'mismatch' }

/** One attempt at a payment: every step is fenced by it. */
export interface AttemptRef {
  client: string
  id: string
  attempt: number
  requestId: string | undefined
}

export interface Settlement {
  state: 'completed' | 'declined'
  /** undefined: there was no charge. */
  chargeId: string | undefined
  response: SettledResponse
  event: 'payment.completed' | 'payment.declined' | 'payment.recovered'
  /** Who looked it up; undefined: the charge itself had a response. */
  by: 'retry' | 'completer' | `operator:${string}` | undefined
  reason: string | undefined
}

/** The end of an attempt whose outcome is open. */
export interface OpenEnd {
  state: 'processing' | 'unknown'
  /** Until the next lookup. */
  checkMs: number
  by: 'retry' | 'completer'
  /** undefined: no entry in the audit trail. */
  reason: string | undefined
}

/**
 * The steps of a payment, each one statement with its entry in the audit trail. A step that is sent twice takes effect
 * once. All but `begin` return false, and change nothing, if another attempt has taken over. Each rejects with
 * `store_unavailable`, whose `effect` is 'unknown' when the step may have taken effect.
 */
export interface PaymentStore {
  begin(beginning: BeginRequest): Promise<BeginResult>
  /** To be called before another charge is sent. */
  sendAgain(ref: AttemptRef): Promise<boolean>
  settle(ref: AttemptRef, settlement: Settlement): Promise<boolean>
  leaveOpen(ref: AttemptRef, leaving: OpenEnd): Promise<boolean>
  /** Frees the key. For attempt 1 only, and only when it is certain that nothing was sent. */
  abandon(ref: AttemptRef, reason: string): Promise<boolean>
}

export interface PaymentStoreOptions {
  /** After `sent_at`: until then a charge shows at the gateway, if it was made, and the attempt holds the payment. */
  settleMs: number
  /** Called with the number of payments in each statement. */
  onBatch?: (step: 'begin' | 'settle', items: number) => void
}

export function paymentStore(database: Database, { settleMs, onBatch }: PaymentStoreOptions): PaymentStore {
  const { groupOf, inFlight } = groupedByShard(database, (client: string) => client)
  const begin = groupCommit(
    (items: readonly BeginRequest[]) =>
      retryOnceIfUnknown((deadlineMs) => beginAll(database, items, settleMs, deadlineMs)),
    {
      stallMs: database.stallMs,
      isItemFault: isRowFault,
      onBatch: (items) => onBatch?.('begin', items),
      groupOf: ({ payment }) => groupOf(payment.client),
      inFlight,
    },
  )
  const settle = groupCommit(
    (items: readonly SettleItem[]) =>
      retryOnceIfUnknown((deadlineMs) => settleAll(database, items, deadlineMs)),
    {
      stallMs: database.stallMs,
      isItemFault: isRowFault,
      onBatch: (items) => onBatch?.('settle', items),
      groupOf: ({ ref }) => groupOf(ref.client),
      inFlight,
    },
  )
  const done = async (step: (sql: Sql) => PromiseLike<readonly Row[]>) => {
    const [row] = await retryOnceIfUnknown((deadlineMs) => database.run(step, deadlineMs))
    return row?.done === true
  }

  return {
    begin,
    settle: (ref, settlement) => settle({ ref, settlement }),
    sendAgain: ({ client, id, attempt, requestId }) =>
      done(
        (sql) => sql`
          SELECT oncekey_payment_send_again(${client}, ${id}, ${attempt}::integer, ${settleMs}::integer,
            ${requestId ?? null}) AS done`,
      ),
    leaveOpen: ({ client, id, attempt, requestId }, { state, checkMs, by, reason }) =>
      done(
        (sql) => sql`
          SELECT oncekey_payment_leave_open(${client}, ${id}, ${attempt}::integer, ${state},
            ${Math.round(checkMs)}::integer, ${reason ?? null}, ${by}, ${requestId ?? null}) AS done`,
      ),
    abandon: ({ client, id, requestId }, reason) =>
      done(
        (sql) => sql`
          SELECT oncekey_payment_abandon(${client}, ${id}, ${reason}, ${requestId ?? null}) AS done`,
      ),
  }
}

/** By client first, since a statement locks the audit trail of each of its clients: prevents deadlocks. */
function lockOrder(client: string, key: string): string {
  return `${client}\n${key}`
}

async function beginAll(
  database: Database,
  items: readonly BeginRequest[],
  settleMs: number,
  deadlineMs?: number,
): Promise<BeginResult[]> {
  const rows = batchJson(
    items,
    ({ payment }) => lockOrder(payment.client, payment.key),
    ({ payment, fingerprint, requestId }, n) => ({
      n,
      client: payment.client,
      scope: payment.scope,
      key: payment.key,
      fingerprint,
      id: payment.id,
      amount: payment.amount,
      currency: payment.currency,
      user_id: payment.userId,
      description: payment.description,
      payment_method: payment.paymentMethod,
      metadata: payment.metadata,
      gateway_key: payment.gatewayKey,
      created_at: payment.createdAt,
      request_id: requestId,
    }),
  )
  const responses = await database.run(
    (sql) =>
      database.shards !== undefined
        ? sql`
      SELECT * FROM oncekey_payment_begin_all(${items[0]?.payment.client ?? ''}, ${rows}, ${settleMs}::integer)`
        : sql`
      SELECT r.n, b.*
      FROM json_to_recordset(${rows}::text::json)
        AS r(n integer, client text, scope text, key text, fingerprint text, id uuid, amount numeric, currency text,
          user_id text, description text, payment_method text, metadata text, gateway_key text,
          created_at timestamptz, request_id text)
      CROSS JOIN LATERAL oncekey_payment_begin(r.client, r.scope, r.key, decode(r.fingerprint, 'hex'), r.id, r.amount,
        r.currency, r.user_id, r.description, r.payment_method, r.metadata, r.gateway_key, r.created_at, r.request_id,
        ${settleMs}::integer) AS b
      ORDER BY r.n`,
    deadlineMs,
  )
  return resultsByNumber(responses, items.length, parseBegun)
}

interface SettleItem {
  ref: AttemptRef
  settlement: Settlement
}

async function settleAll(
  database: Database,
  items: readonly SettleItem[],
  deadlineMs?: number,
): Promise<boolean[]> {
  const rows = batchJson(
    items,
    ({ ref }) => lockOrder(ref.client, ref.id),
    ({ ref, settlement }, n) => ({
      n,
      client: ref.client,
      id: ref.id,
      attempt: ref.attempt,
      request_id: ref.requestId,
      state: settlement.state,
      charge_id: settlement.chargeId,
      event: settlement.event,
      by: settlement.by,
      reason: settlement.reason,
      status: settlement.response.status,
      body: settlement.response.body.toString('base64'),
    }),
  )
  const responses = await database.run(
    (sql) =>
      database.shards !== undefined
        ? sql`SELECT * FROM oncekey_payment_settle_all(${items[0]?.ref.client ?? ''}, ${rows})`
        : sql`
      SELECT r.n, s.done
      FROM json_to_recordset(${rows}::text::json)
        AS r(n integer, client text, id uuid, attempt integer, request_id text, state text, charge_id text,
          event text, by text, reason text, status smallint, body text)
      CROSS JOIN LATERAL oncekey_payment_settle(r.client, r.id, r.attempt, r.state, r.charge_id, r.status,
        decode(r.body, 'base64'), r.event, r.by, r.reason, r.request_id) AS s(done)
      ORDER BY r.n`,
    deadlineMs,
  )
  return resultsByNumber(responses, items.length, (row) => row.done === true)
}

function parseBegun(row: Row): BeginResult {
  const { outcome, payment_id, attempt_no, made_at, wait_ms, body } = row
  switch (outcome) {
    case 'begun':
      return { outcome }
    case 'taken_over':
      if (!(made_at instanceof Date)) throw new Error('a payment without a time of creation')
      return {
        outcome,
        id: String(payment_id),
        attempt: Number(attempt_no),
        createdAt: made_at,
        unknown: row.is_unknown === true,
        waitMs: Number(wait_ms),
      }
    case 'in_progress':
      return { outcome, waitMs: Number(wait_ms) }
    case 'settled':
      if (!(body instanceof Buffer)) throw new Error('a settled payment without a response')
      return { outcome, id: String(payment_id), response: { status: Number(row.status), body } }
    case 'mismatch':
      return { outcome }
    default:
      throw new Error(`oncekey_payment_begin returned ${String(outcome)}`)
  }
}
