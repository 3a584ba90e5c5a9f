import { batchJson } from '../../internal/database/batch.ts'
import type { Database } from '../../internal/database/database.ts'
import type { KeyId } from '../../internal/idempotency/store.ts'
import { routeOf, scopeOf } from '../service/routes.ts'

/**
 * The numbers of those whose key has an order or a payment: it is found by its key when the record of the key is gone, and
 * a response from elsewhere would stand in its way.
 */
export async function takenByRows(database: Database, ids: readonly KeyId[]): Promise<Set<number>> {
  const orders = scopeOf(routeOf('placeOrder'))
  const rows = batchJson(
    ids,
    () => '',
    ({ client, scope, key }, n) => ({ n, client, scope, key }),
  )
  const taken = await database.run(
    (sql) => sql`
      SELECT n FROM json_to_recordset(${rows}::text::json) AS r(n integer, client text, scope text, key text)
      WHERE (r.scope = ${orders}
          AND EXISTS (SELECT FROM orders AS o WHERE o.client = r.client AND o.idempotency_key = r.key))
        OR EXISTS (SELECT FROM payments AS p
          WHERE p.client = r.client AND p.scope = r.scope AND p.idempotency_key = r.key)`,
  )
  return new Set(taken.map(({ n }) => Number(n)))
}
