import type { Database } from '../../internal/database/database.ts'
import type { KeyId } from '../../internal/idempotency/store.ts'
import { routeOf, scopeOf } from '../service/routes.ts'

const ORDERS = scopeOf(routeOf('placeOrder'))

/** The order or payment that was made with a key, in words; undefined: there is none. It outlives the record of its key. */
export async function describeRow(
  database: Database,
  { client, scope, key }: KeyId,
): Promise<string | undefined> {
  const [row] = await database.run(
    (sql) => sql`
      SELECT 'order' AS kind, id, created_at FROM orders
      WHERE ${scope} = ${ORDERS} AND client = ${client} AND idempotency_key = ${key}
      UNION ALL
      SELECT 'payment', id, created_at FROM payments
      WHERE scope = ${scope} AND client = ${client} AND idempotency_key = ${key}`,
  )
  if (row === undefined) return undefined
  const at = row.created_at instanceof Date ? ` of ${row.created_at.toISOString()}` : ''
  return `${row.kind} ${row.id}${at}`
}
