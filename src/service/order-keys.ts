import type { Database } from '../../internal/database/database.ts'
import type { RowOf } from '../../internal/idempotency/row-engine.ts'
import type { Standing } from '../../internal/orders/order.ts'
import type { OrderStore } from '../../internal/orders/order-store.ts'
import { existingOrder } from '../../internal/orders/orders.ts'
import { standing } from '../../internal/orders/place-orders.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { Config } from '../config/config.ts'

/** With keys in PostgreSQL the row of the order is the record of its key. */
export function keysAreInRows({ idempotencyStore }: Pick<Config, 'idempotencyStore'>): boolean {
  return idempotencyStore === 'postgres'
}

type Read = (asked: { client: string; key: string; fingerprint: string }) => Promise<Standing | undefined>

export function orderRow(read: Read): RowOf {
  return async function orderRow({ client, key }, fingerprint) {
    const found = await read({ client, key, fingerprint })
    if (found === undefined) return undefined
    if (found.outcome === 'mismatch')
      return { outcome: 'mismatch', fingerprint: found.fingerprint, isCompleted: true }
    const { status, headers, body } = existingOrder(found)
    return { outcome: 'replay', response: { status, headers, body: Buffer.from(body) } }
  }
}

export function orderRowIn(database: Database): RowOf {
  return orderRow((asked) => standing(database, asked))
}

const PLACE = { store: 'postgres', operation: 'place' }

/** The same store with a metric for placing an order, which claims and completes its key. */
export function timedOrders(orders: OrderStore, { storeDuration }: Metrics): OrderStore {
  return {
    place(placement) {
      const startedMs = performance.now()
      const done = () => storeDuration.add(PLACE, (performance.now() - startedMs) / 1000)
      const placed = orders.place(placement)
      placed.then(done, done)
      return placed
    },
    standing: (asked) => orders.standing(asked),
    find: (client, id) => orders.find(client, id),
    list: (client, filter) => orders.list(client, filter),
  }
}
