import type { OrderRow } from '../support/check-orders.ts'
import type { Intent } from './fuzz-case.ts'

type Placed = Pick<OrderRow, 'client' | 'idempotency_key' | 'user_id' | 'item' | 'amount'>

/** What may be in the tables, since a client signed for it. */
export class ExpectedEffects {
  readonly #signed = new Set<string>()

  add(intents: readonly Intent[]): void {
    for (const { client, key, body } of intents) {
      try {
        const { user_id, item, amount } = JSON.parse(Buffer.from(body, 'latin1').toString())
        this.#signed.add(lineOf(client, key ?? '*', user_id, item, amount))
      } catch {
        // What is not JSON must not become an order.
      }
    }
  }

  faultsOf(orders: readonly Placed[]): string[] {
    return orders.flatMap(({ client, idempotency_key: key, user_id, item, amount }) =>
      [key, '*'].some((covered) => this.#signed.has(lineOf(client, covered, user_id, item, amount)))
        ? []
        : [`nobody signed for the order ${JSON.stringify({ client, key, user_id, item, amount })}`],
    )
  }
}

function lineOf(client: string, key: string, userId: unknown, item: unknown, amount: unknown): string {
  return JSON.stringify([client, key, userId, item, Number(amount)])
}
