import { type Database, isRowFault, type Sql } from '../database/database.ts'
import { storeUnavailable } from '../database/deadline.ts'
import { groupCommit } from '../database/group-commit.ts'
import { ServiceError } from '../service-error.ts'
import type { Payment } from './payment.ts'

/** A new payment as it would begin, and who asks for it. */
export interface Beginning {
  payment: Payment
  /** 64 hex digits. */
  fingerprint: string
  requestId: string | undefined
}

export interface StoredAnswer {
  status: number
  body: Buffer
}

export type Begun =
  /** The payment is committed with `sent_at` = now: a charge may leave within a while. */
  | { outcome: 'begun' }
  /** An earlier attempt left it open. `waitMs`: its charge must have shown by then; nothing may be sent before. */
  | { outcome: 'taken_over'; id: string; attempt: number; createdAt: Date; unknown: boolean; waitMs: number }
  | { outcome: 'in_progress'; waitMs: number }
  | { outcome: 'settled'; id: string; answer: StoredAnswer }
  | { outcome: 'mismatch' }

/** One attempt at a payment: what every step is fenced by. */
export interface Turn {
  client: string
  id: string
  attempt: number
  requestId: string | undefined
}

export interface Settlement {
  state: 'completed' | 'declined'
  /** undefined: it was never charged. */
  chargeId: string | undefined
  answer: StoredAnswer
  event: 'payment.completed' | 'payment.declined' | 'payment.recovered'
  /** Who found it out by asking. */
  by: 'retry' | 'completer' | `operator:${string}` | undefined
  reason: string | undefined
}

/** How an attempt ends that does not know. */
export interface Leaving {
  state: 'processing' | 'unknown'
  /** When to ask the gateway next, from now. */
  checkMs: number
  by: 'retry' | 'completer'
  /** undefined: nothing new, which leaves no entry in the audit trail. */
  reason: string | undefined
}

/**
 * The steps of a payment, each one statement with its entry of the audit trail. Every step may be sent twice and does
 * its work once; one whose answer was lost is sent a second time here. All but `begin` answer with false if another
 * attempt has taken over, and have changed nothing then. Each rejects with `store_unavailable`, whose `effect` is
 * 'unknown' when the step may have been done.
 */
export interface PaymentStore {
  begin(beginning: Beginning): Promise<Begun>
  /** Before another charge is sent: from now on it may have left. */
  sendAgain(turn: Turn): Promise<boolean>
  settle(turn: Turn, settlement: Settlement): Promise<boolean>
  letGo(turn: Turn, leaving: Leaving): Promise<boolean>
  /** Attempt 1 only, and only when it is certain that nothing was sent: the key is free again. */
  abandon(turn: Turn, reason: string): Promise<boolean>
}

export interface PaymentStoreOptions {
  /** How long after `sent_at` a charge shows at the gateway, if it ever does; and how long an attempt has the payment. */
  settleMs: number
  /** Told how many payments share each statement. */
  onBatch?: (step: 'begin' | 'settle', items: number) => void
}

export function paymentStore(database: Database, { settleMs, onBatch }: PaymentStoreOptions): PaymentStore {
  const begin = groupCommit(
    (items: readonly Beginning[]) => twice(() => beginAll(database, items, settleMs)),
    { isItemFault: isRowFault, onBatch: (items) => onBatch?.('begin', items) },
  )
  const settle = groupCommit((items: readonly SettleItem[]) => twice(() => settleAll(database, items)), {
    isItemFault: isRowFault,
    onBatch: (items) => onBatch?.('settle', items),
  })
  const done = async (step: (sql: Sql) => PromiseLike<readonly Row[]>) => {
    const [row] = await twice(() => database.run(step))
    return row?.done === true
  }

  return {
    begin,
    settle: (turn, settlement) => settle({ turn, settlement }),
    sendAgain: ({ client, id, attempt, requestId }) =>
      done(
        (sql) => sql`
          SELECT oncekey_payment_send_again(${client}, ${id}, ${attempt}::integer, ${settleMs}::integer,
            ${requestId ?? null}) AS done`,
      ),
    letGo: ({ client, id, attempt, requestId }, { state, checkMs, by, reason }) =>
      done(
        (sql) => sql`
          SELECT oncekey_payment_let_go(${client}, ${id}, ${attempt}::integer, ${state},
            ${Math.round(checkMs)}::integer, ${reason ?? null}, ${by}, ${requestId ?? null}) AS done`,
      ),
    abandon: ({ client, id, requestId }, reason) =>
      done(
        (sql) => sql`
          SELECT oncekey_payment_abandon(${client}, ${id}, ${reason}, ${requestId ?? null}) AS done`,
      ),
  }
}

type Row = Record<string, unknown>

/** A step whose answer was lost may have been done; sent again it says so, and changes nothing more. */
async function twice<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (first) {
    if (!(first instanceof ServiceError) || first.effect !== 'unknown') throw first
    try {
      return await step()
    } catch (second) {
      // Whatever the second one said, the first is still open.
      throw second instanceof ServiceError ? storeUnavailable(second, 'unknown') : second
    }
  }
}

async function beginAll(database: Database, items: readonly Beginning[], settleMs: number): Promise<Begun[]> {
  const rows = inOrder(
    items,
    ({ payment }) => payment,
    ({ payment, fingerprint, requestId }) => ({
      ...{ client: payment.client, scope: payment.scope, key: payment.key, fingerprint, id: payment.id },
      ...{ amount: payment.amount, currency: payment.currency, user_id: payment.userId },
      ...{ description: payment.description, payment_method: payment.paymentMethod },
      ...{ metadata: payment.metadata, gateway_key: payment.gatewayKey, created_at: payment.createdAt },
      request_id: requestId,
    }),
  )
  const answers = await database.run(
    (sql) => sql`
      SELECT r.n, b.*
      FROM json_to_recordset(${rows}::text::json)
        AS r(n integer, client text, scope text, key text, fingerprint text, id uuid, amount numeric, currency text,
          user_id text, description text, payment_method text, metadata text, gateway_key text,
          created_at timestamptz, request_id text)
      CROSS JOIN LATERAL oncekey_payment_begin(r.client, r.scope, r.key, decode(r.fingerprint, 'hex'), r.id, r.amount,
        r.currency, r.user_id, r.description, r.payment_method, r.metadata, r.gateway_key, r.created_at, r.request_id,
        ${settleMs}::integer) AS b
      ORDER BY r.n`,
  )
  return byNumber(answers, items.length, parseBegun)
}

interface SettleItem {
  turn: Turn
  settlement: Settlement
}

async function settleAll(database: Database, items: readonly SettleItem[]): Promise<boolean[]> {
  const rows = inOrder(
    items,
    ({ turn }) => ({ client: turn.client, key: turn.id }),
    ({ turn, settlement }) => ({
      ...{ client: turn.client, id: turn.id, attempt: turn.attempt, request_id: turn.requestId },
      ...{ state: settlement.state, charge_id: settlement.chargeId, event: settlement.event },
      ...{ by: settlement.by, reason: settlement.reason, status: settlement.answer.status },
      body: settlement.answer.body.toString('base64'),
    }),
  )
  const answers = await database.run(
    (sql) => sql`
      SELECT r.n, s.done
      FROM json_to_recordset(${rows}::text::json)
        AS r(n integer, client text, id uuid, attempt integer, request_id text, state text, charge_id text,
          event text, by text, reason text, status smallint, body text)
      CROSS JOIN LATERAL oncekey_payment_settle(r.client, r.id, r.attempt, r.state, r.charge_id, r.status,
        decode(r.body, 'base64'), r.event, r.by, r.reason, r.request_id) AS s(done)
      ORDER BY r.n`,
  )
  return byNumber(answers, items.length, (row) => row.done === true)
}

/**
 * The items as JSON, each with its place. By client, then key: two statements that wait for each other always take
 * the clients, whose places in the audit trail they hold, in the same order, so they cannot deadlock.
 */
function inOrder<Item>(
  items: readonly Item[],
  place: (item: Item) => { client: string; key: string },
  row: (item: Item) => object,
): string {
  return JSON.stringify(
    items
      .map((item, n) => ({ place: place(item), row: { n, ...row(item) } }))
      .sort((a, b) => compare(a.place.client, b.place.client) || compare(a.place.key, b.place.key))
      .map((entry) => entry.row),
  )
}

/**
 * The statements above are sorted so that no row is sent before all items are done: when a statement fails after its
 * first row, postgres.js (3.4.9) shifts the rows of the next one on that connection.
 */
function byNumber<Answer>(rows: readonly Row[], count: number, parse: (row: Row) => Answer): Answer[] {
  const answers = new Array<Answer>(count)
  for (const row of rows) answers[Number(row.n)] = parse(row)
  return answers
}

function parseBegun(row: Row): Begun {
  const { outcome, payment_id, attempt_no, made_at, wait_ms, body } = row
  switch (outcome) {
    case 'begun':
      return { outcome }
    case 'taken_over':
      if (!(made_at instanceof Date)) throw new Error('a payment without a time of creation')
      return {
        ...{ outcome, id: String(payment_id), attempt: Number(attempt_no), createdAt: made_at },
        ...{ unknown: row.is_unknown === true, waitMs: Number(wait_ms) },
      }
    case 'in_progress':
      return { outcome, waitMs: Number(wait_ms) }
    case 'settled':
      if (!(body instanceof Buffer)) throw new Error('a settled payment without an answer')
      return { outcome, id: String(payment_id), answer: { status: Number(row.status), body } }
    case 'mismatch':
      return { outcome }
    default:
      throw new Error(`oncekey_payment_begin answered ${String(outcome)}`)
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
