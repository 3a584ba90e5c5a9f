import type { Asked, OrderStore, Placed, Placement } from '../../internal/orders/order-store.ts'

/**
 * The orders as a list: what the store on PostgreSQL promises, and nothing else. It runs the same contract suite. Each
 * call has done its work when it returns, before anybody awaits it.
 */
export class ModelOrders implements OrderStore {
  /** A list, so that a second order under a key would be seen. */
  readonly rows: Placement[] = []

  async place(placement: Placement): Promise<Placed> {
    const { client, order, fingerprint } = placement
    if (!(Number(order.amount) > 0)) throw new Error('the amount of an order is more than 0')
    const found = this.#standing({ client, key: order.key, fingerprint })
    if (found === undefined) {
      this.rows.push(placement)
      return { outcome: 'created' }
    }
    // Placed before, by the same call whose answer was lost.
    return found.outcome === 'existing' && found.id === order.id ? { outcome: 'created' } : found
  }

  async standing(asked: Asked) {
    return this.#standing(asked)
  }

  async find(client: string, id: string) {
    return this.rows.find((row) => row.client === client && row.order.id === id)?.order
  }

  async list(client: string, limit: number, before: string | undefined) {
    return this.rows
      .filter((row) => row.client === client && (before === undefined || row.order.id < before))
      .map(({ order }) => order)
      .sort((a, b) => (a.id < b.id ? 1 : -1))
      .slice(0, limit)
  }

  #standing({ client, key, fingerprint }: Asked) {
    const row = this.rows.find((one) => one.client === client && one.order.key === key)
    if (row === undefined) return undefined
    if (row.fingerprint !== fingerprint) return { outcome: 'mismatch' } as const
    const answer = { status: row.answer.status, body: Buffer.from(row.answer.body) }
    return { outcome: 'existing', id: row.order.id, answer } as const
  }
}
