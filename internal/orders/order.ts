import { isoTime } from '../core/iso-time.ts'
import { quoted } from '../core/quoted.ts'

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
  const { id, userId, item, amount, key, createdAt } = order
  return `{"id":${quoted(id)},"user_id":${quoted(userId)},"item":${quoted(item)},"amount":${amount},"idempotency_key":${quoted(key)},"created_at":"${isoTime(createdAt.getTime())}"}`
}
