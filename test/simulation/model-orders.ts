import type { ListFilter } from '../../internal/core/list-filter.ts'
import type { KeyId } from '../../internal/idempotency/store.ts'
import type { OrderKey, Placed, Placement } from '../../internal/orders/order.ts'
import type { OrderStore } from '../../internal/orders/order-store.ts'

/**
 * The orders as a list: what the store on PostgreSQL promises, and nothing else. It runs the same contract suite. Each
 * call has done its work when it returns, before it is awaited.
 */
export class ModelOrders implements OrderStore {
  readonly #isTaken: (id: KeyId, fingerprint: string) => boolean
  /** A list, so that a second order under a key would be seen. */
  readonly rows: Placement[] = []

  /** `isTaken`: whether a key without an order has a record that an order of this request gives way to. */
  constructor(isTaken: (id: KeyId, fingerprint: string) => boolean = () => false) {
    this.#isTaken = isTaken
  }

  async place(placement: Placement): Promise<Placed> {
    const { client, order, fingerprint } = placement
    if (!(Number(order.amount) > 0)) throw new Error('the amount of an order is more than 0')
    const found = this.#standing({ client, key: order.key, fingerprint })
    if (found === undefined) {
      if (this.#isTaken({ client, scope: 'POST /orders', key: order.key }, fingerprint))
        return { outcome: 'recorded' }
      this.rows.push(placement)
      return { outcome: 'created' }
    }
    // Placed before, by the same call whose response was lost.
    return found.outcome === 'existing' && found.id === order.id ? { outcome: 'created' } : found
  }

  async standing(asked: OrderKey) {
    return this.#standing(asked)
  }

  async find(client: string, id: string) {
    return this.rows.find((row) => row.client === client && row.order.id === id)?.order
  }

  async list(client: string, { limit, before, key, createdAfter, createdBefore }: ListFilter) {
    return this.rows
      .filter((row) => row.client === client)
      .map(({ order }) => order)
      .filter(({ id }) => before === undefined || id < before)
      .filter((order) => key === undefined || order.key === key)
      .filter(({ createdAt }) => createdAfter === undefined || createdAt >= createdAfter)
      .filter(({ createdAt }) => createdBefore === undefined || createdAt < createdBefore)
      .sort((a, b) => (a.id < b.id ? 1 : -1))
      .slice(0, limit)
  }

  #standing({ client, key, fingerprint }: OrderKey) {
    const row = this.rows.find((one) => one.client === client && one.order.key === key)
    if (row === undefined) return undefined
    if (row.fingerprint !== fingerprint) return { outcome: 'mismatch', fingerprint: row.fingerprint } as const
    const response = { status: row.response.status, body: row.response.body }
    return { outcome: 'existing', id: row.order.id, response } as const
  }
}
