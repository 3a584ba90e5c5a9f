import postgres from 'postgres'
import { until } from './until.ts'

export interface OrdersLock {
  /** Resolves when so many statements wait for the table. */
  reached(count: number): Promise<void>
  /** Resolves when the waiting statements go on. */
  release(): Promise<void>
}

/**
 * Locks the orders table, or that of payments: requests that place an order, or pay, have their key and wait. Below 2.5 s, the deadline of a
 * statement, none of them fails by it. A lock that a failed test does not release ends by itself
 * after 10 s.
 */
export async function holdOrders(
  databaseUrl: string,
  table: 'orders' | 'payments' = 'orders',
): Promise<OrdersLock> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  const connection = await sql.reserve()
  await connection`SET idle_in_transaction_session_timeout = '10s'`
  await connection`BEGIN`
  await connection`LOCK TABLE ${connection(table)} IN ACCESS EXCLUSIVE MODE`
  return {
    reached: (count) =>
      until(`${count} statements wait for ${table}`, async () => {
        const waiting = await connection`
          SELECT FROM pg_locks
          WHERE relation = ${table}::regclass AND NOT granted AND mode <> 'AccessExclusiveLock'`
        return waiting.length >= count
      }),
    async release() {
      await connection`COMMIT`
      connection.release()
      await sql.end({ timeout: 1 })
    },
  }
}
