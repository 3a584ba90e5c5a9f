/** An order as the service keeps it. `amount` is a plain decimal text, exact. */
export interface Order {
  id: string
  userId: string
  item: string
  amount: string
  key: string
  createdAt: Date
}

/**
 * The order as partners see it: `{"id","user_id","item","amount","idempotency_key","created_at"}`. The amount goes
 * in as its decimal text, a JSON number that never was a binary one.
 */
export function orderJson(order: Order): string {
  const text = JSON.stringify
  return (
    `{"id":${text(order.id)},"user_id":${text(order.userId)},"item":${text(order.item)},` +
    `"amount":${order.amount},"idempotency_key":${text(order.key)},` +
    `"created_at":${text(order.createdAt.toISOString())}}`
  )
}
