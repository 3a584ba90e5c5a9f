import type { Database } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { postgresRecords } from '../../internal/idempotency/postgres-records.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import type { Subject } from './idempotency-store.ts'
import type { OrderSubject } from './order-store.ts'

export const DAY_MS = 86_400_000

/** The store in that database, which is brought up to date. */
export async function onPostgres(database: Database, close: () => Promise<void>): Promise<Subject> {
  await migrate(database, SQL_DIRECTORY)
  const withTtl = (ttlMs: number) => postgresStore(database, { ttlMs })
  const records = postgresRecords(database, { ttlMs: DAY_MS, page: 100 })
  return { store: withTtl(DAY_MS), withTtl, records, close }
}

/** The orders in that database, which is brought up to date. */
export async function ordersOnPostgres(
  database: Database,
  close: () => Promise<void>,
): Promise<OrderSubject> {
  await migrate(database, SQL_DIRECTORY)
  return {
    orders: orderStore(database),
    async count(key) {
      const [row] = await database.run(
        (sql) => sql`SELECT count(*)::int AS n FROM orders WHERE idempotency_key = ${key}`,
      )
      return Number(row?.n)
    },
    close,
  }
}
