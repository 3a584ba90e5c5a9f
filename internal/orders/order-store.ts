import { idRange, type ListFilter } from '../core/list-filter.ts'
import { retryOnceIfUnknown, SECOND_MS } from '../core/retry-once-if-unknown.ts'
import { ServiceError } from '../core/service-error.ts'
import { type Database, isRowFault, type Sql } from '../database/database.ts'
import { storeUnavailable } from '../database/deadline.ts'
import { groupCalls } from '../database/group-commit.ts'
import { groupedByShard } from '../database/shards.ts'
import type { Order, OrderKey, Placed, Placement, Standing } from './order.ts'
import { CREATED, placeAll, standing } from './place-orders.ts'

export interface OrderStore {
  /**
   * Writes the order with its key, fingerprint and response in one atomic statement; resolves after COMMIT.
   * At most one order for each (client, key), however many call at once. Rejects with `store_unavailable`, whose
   * `effect` is 'unknown' when the order may have been written all the same.
   */
  place(placement: Placement): Promise<Placed>
  /** What the key stands for; undefined: for no order. */
  standing(asked: OrderKey): Promise<Standing | undefined>
  find(client: string, id: string): Promise<Order | undefined>
  /** Newest first. */
  list(client: string, filter: ListFilter): Promise<Order[]>
}

export interface OrderStoreOptions {
  /** Called with the number of orders that share each statement. */
  onBatch?: (items: number) => void
  /**
   * Method and route of the keys, where the rows are the records of their keys. `idempotency_keys` then has the records of
   * responses that have no row: no order is placed under a key with such a record, unless an attempt of the same request
   * holds it.
   */
  recordsOf?: string | undefined
}

export function orderStore(database: Database, { onBatch, recordsOf }: OrderStoreOptions = {}): OrderStore {
  // The same statement again finds out what became of the first: the constraint makes it a no-op where that one got
  // through, or is still getting through.
  const { groupOf, inFlight } = groupedByShard(database, ({ client }: Placement) => client)
  const placeGrouped = groupCalls(
    (items: readonly Placement[]) =>
      retryOnceIfUnknown((deadlineMs) => placeAll(database, items, recordsOf, deadlineMs)),
    {
      stallMs: database.stallMs,
      isItemFault: isRowFault,
      onBatch: onBatch ?? (() => {}),
      groupOf,
      inFlight,
    },
  )
  /** There was no order, and none was written: another one was committed meanwhile, or a record stands in the way. */
  const whatElse = async (placement: Placement): Promise<Placed> => {
    const { client, order, fingerprint } = placement
    try {
      const found = await standing(database, { client, key: order.key, fingerprint }, SECOND_MS)
      if (found !== undefined) return isOwn(found, placement) ? CREATED : found
    } catch (error) {
      // It may be ours that is there.
      throw error instanceof ServiceError ? storeUnavailable(error, 'unknown') : error
    }
    if (recordsOf !== undefined) return { outcome: 'recorded' }
    // It was on a primary alone that has been replaced since.
    throw storeUnavailable(new Error('an order that was there is gone'), 'unknown')
  }

  return {
    place(placement) {
      return new Promise((resolve, reject) =>
        placeGrouped(
          placement,
          (placed) => resolve(placed === 'neither' ? whatElse(placement) : placed),
          reject,
        ),
      )
    },
    standing: (asked) => standing(database, asked),
    async find(client, id) {
      const [row] = await database.run(
        (sql) => sql`SELECT ${columns(sql)} FROM orders WHERE client = ${client} AND id = ${id}`,
      )
      return row === undefined ? undefined : parseOrder(row)
    },
    async list(client, filter) {
      const { limit, key } = filter
      const { from, below } = idRange(filter)
      const rows = await database.run(
        (sql) => sql`
          SELECT ${columns(sql)} FROM orders
          WHERE client = ${client} AND id >= ${from} AND id < ${below}
            ${key === undefined ? sql`` : sql`AND idempotency_key = ${key}`}
          ORDER BY id DESC LIMIT ${limit}`,
      )
      return rows.map(parseOrder)
    },
  }
}

/** Those of these ids that are the client's. Each is looked up by itself, whatever the plan that PostgreSQL keeps. */
export async function findOrders(
  database: Database,
  client: string,
  ids: readonly string[],
): Promise<Order[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT o.* FROM json_array_elements_text(${JSON.stringify(ids)}::text::json) AS asked(id)
      CROSS JOIN LATERAL (
        SELECT ${columns(sql)} FROM orders WHERE client = ${client} AND orders.id = asked.id::uuid LIMIT 1) AS o`,
  )
  return rows.map(parseOrder)
}

/** Ours after all: the first statement was committed, only its response was lost. */
function isOwn(found: Standing, { order }: Placement): boolean {
  return found.outcome === 'existing' && found.id === order.id
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
