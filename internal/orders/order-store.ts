import { type Database, isRowFault, type Sql } from '../database/database.ts'
import { storeUnavailable } from '../database/deadline.ts'
import { groupCommit } from '../database/group-commit.ts'
import { ServiceError } from '../service-error.ts'
import type { Order } from './order.ts'

/** An order with everything that its row keeps: what it was asked by, and what was answered. */
export interface Placement {
  client: string
  order: Order
  /** 64 hex digits. */
  fingerprint: string
  answer: { status: number; body: string }
}

/** A request by its key. */
export interface Asked {
  client: string
  key: string
  /** 64 hex digits. */
  fingerprint: string
}

export type Placed =
  /** The order is committed, and this is the placement that did it. */
  | { outcome: 'created' }
  /** The key has its order already, from the same request: here is what was answered. */
  | { outcome: 'existing'; id: string; answer: { status: number; body: Buffer } }
  /** The key has its order already, from another request. */
  | { outcome: 'mismatch' }

export interface OrderStore {
  /**
   * Writes the order with its key, fingerprint and answer in one atomic statement; resolves after COMMIT.
   * At most one order for each (client, key), however many call at once. Rejects with `store_unavailable`, whose
   * `effect` is 'unknown' when the order may have been written all the same.
   */
  place(placement: Placement): Promise<Placed>
  /** What the key stands for; undefined: for no order. */
  standing(asked: Asked): Promise<Exclude<Placed, { outcome: 'created' }> | undefined>
  find(client: string, id: string): Promise<Order | undefined>
  /** Newest first; `before` is the id of the last order of the page before. */
  list(client: string, limit: number, before: string | undefined): Promise<Order[]>
}

export interface OrderStoreOptions {
  /** Told how many orders share each statement. */
  onBatch?: (items: number) => void
}

export function orderStore(database: Database, { onBatch }: OrderStoreOptions = {}): OrderStore {
  const insert = groupCommit((items: readonly Placement[]) => insertTwice(database, items), {
    isItemFault: isRowFault,
    ...(onBatch === undefined ? {} : { onBatch }),
  })
  return {
    async place(placement) {
      if (await insert(placement)) return { outcome: 'created' }
      try {
        return await existing(database, placement)
      } catch (error) {
        // It may be ours that is there.
        throw error instanceof ServiceError ? storeUnavailable(error, 'unknown') : error
      }
    },
    standing: (asked) => standing(database, asked),
    async find(client, id) {
      const [row] = await database.run(
        (sql) => sql`SELECT ${columns(sql)} FROM orders WHERE client = ${client} AND id = ${id}`,
      )
      return row === undefined ? undefined : parseOrder(row)
    },
    async list(client, limit, before) {
      const rows = await database.run(
        (sql) => sql`
          SELECT ${columns(sql)} FROM orders
          WHERE client = ${client} ${before === undefined ? sql`` : sql`AND id < ${before}`}
          ORDER BY id DESC LIMIT ${limit}`,
      )
      return rows.map(parseOrder)
    },
  }
}

/**
 * A connection lost after the statement was sent leaves open whether it was committed. The same statement again
 * finds that out: the constraint makes it a no-op where the first one got through, or is still getting through.
 */
async function insertTwice(database: Database, items: readonly Placement[]): Promise<boolean[]> {
  try {
    return await insertAll(database, items)
  } catch (first) {
    if (!(first instanceof ServiceError) || first.effect !== 'unknown') throw first
    try {
      return await insertAll(database, items)
    } catch {
      // Whatever the second one said, the first is still open.
      throw first
    }
  }
}

/** For each placement, in order: whether the order under its key is this one. */
async function insertAll(database: Database, items: readonly Placement[]): Promise<boolean[]> {
  const rows = JSON.stringify(
    items
      .map(({ client, order, fingerprint, answer }) => ({
        client,
        id: order.id,
        key: order.key,
        fingerprint,
        user_id: order.userId,
        item: order.item,
        amount: order.amount,
        status: answer.status,
        body: answer.body,
        created_at: order.createdAt,
      }))
      // Two statements that meet the same keys take them in the same order, so they cannot deadlock.
      .sort((a, b) => compare(a.client, b.client) || compare(a.key, b.key)),
  )
  const mine = await database.run(
    (sql) => sql`
      INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, answer_status, answer_body,
        created_at)
      SELECT client, id, key, decode(fingerprint, 'hex'), user_id, item, amount, status, convert_to(body, 'UTF8'),
        created_at
      FROM json_to_recordset(${rows}::text::json) AS r(client text, id uuid, key text, fingerprint text,
        user_id text, item text, amount numeric, status smallint, body text, created_at timestamptz)
      ON CONFLICT (client, idempotency_key) DO NOTHING
      RETURNING id`,
  )
  const ids = new Set(mine.map((row) => String(row.id)))
  return items.map(({ order }) => ids.has(order.id))
}

async function existing(database: Database, { client, order, fingerprint }: Placement): Promise<Placed> {
  const found = await standing(database, { client, key: order.key, fingerprint })
  // It was on a primary alone that has been replaced since.
  if (found === undefined) throw storeUnavailable(new Error('an order that was there is gone'), 'unknown')
  // Ours after all: the first statement was committed, only its answer was lost.
  return found.outcome === 'existing' && found.id === order.id ? { outcome: 'created' } : found
}

/**
 * An order that can be read may be missing on the synchronous standby: the wait for it was cut short, or the server was
 * restarted meanwhile. Whatever is acknowledged because it was read has to be there, so that reading it is a commit
 * of its own, of nothing but a message in the log, which comes after all others and is waited for. It is one statement:
 * two of them might be answered by two servers, one before a failover and one after it.
 */
async function standing(database: Database, { client, key, fingerprint }: Asked) {
  const [row] = await database.run(
    (sql) => sql`
      SELECT id, encode(fingerprint, 'hex') AS fingerprint, answer_status, answer_body,
        CASE WHEN current_setting('synchronous_standby_names') <> ''
          THEN pg_logical_emit_message(true, 'oncekey', '') END AS logged
      FROM orders WHERE client = ${client} AND idempotency_key = ${key}`,
  )
  if (row === undefined || !(row.answer_body instanceof Buffer)) return undefined
  if (row.fingerprint !== fingerprint) return { outcome: 'mismatch' } as const
  const answer = { status: Number(row.answer_status), body: row.answer_body }
  return { outcome: 'existing', id: String(row.id), answer } as const
}

const columns = (sql: Sql) =>
  sql`id, user_id, item, trim_scale(amount)::text AS amount, idempotency_key, created_at`

function parseOrder(row: Record<string, unknown>): Order {
  if (!(row.created_at instanceof Date)) throw new Error('an order without a time of creation')
  return {
    id: String(row.id),
    userId: String(row.user_id),
    item: String(row.item),
    amount: String(row.amount),
    key: String(row.idempotency_key),
    createdAt: row.created_at,
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
