import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { idempotencyStoreContract } from '../contract/idempotency-store.ts'
import { onPostgres, ordersOnPostgres } from '../contract/on-postgres.ts'
import { orderStoreContract, placement } from '../contract/order-store.ts'
import { startPgpool } from '../support/pgpool.ts'
import { createDatabase, databaseUrl, query } from '../support/servers.ts'

test('an order that a pooler does not commit is never acknowledged: Pgpool-II in raw mode', async (t) => {
  const [pool, created] = await Promise.all([startPgpool(databaseUrl, 'raw'), createDatabase()])
  const direct = openDatabase(created.url)
  const database = openDatabase(pool.through(created.url))
  t.after(async () => {
    await database.close()
    await pool.stop()
    await direct.close()
    await created.drop()
  })
  await migrate(direct, SQL_DIRECTORY)
  const orders = orderStore(database)
  const rows = () => query(created.url, async (sql) => (await sql`SELECT FROM orders`).length)
  // Pgpool opens a transaction for a statement that starts with INSERT, and never commits it.
  for (let n = 0; n < 3; n++) {
    await assert.rejects(
      database.run(
        (sql) => sql`
          INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status, response_body,
            created_at)
          VALUES ('acme', gen_random_uuid(), 'key-1', decode(repeat('ab', 32), 'hex'), 'user-1', 'book', 5, 201, '{}', now())`,
      ),
      { code: 'store_unavailable', effect: 'unknown' },
    )
  }
  assert.equal(await rows(), 0)
  // The statement of orders starts with WITH, for which it opens no transaction: acknowledged orders exist.
  const placed = await orders.place(placement()).then(
    () => 1,
    () => 0,
  )
  assert.equal(await rows(), placed)
})

idempotencyStoreContract('keys through Pgpool-II with streaming replication', async () => {
  const pool = await startPgpool(databaseUrl, 'streaming_replication', ['load_balance_mode = off'])
  const { url, drop } = await createDatabase()
  const database = openDatabase(pool.through(url))
  return await onPostgres(database, async () => {
    await database.close()
    await pool.stop()
    await drop()
  })
})

orderStoreContract('orders through Pgpool-II with streaming replication', async () => {
  const pool = await startPgpool(databaseUrl, 'streaming_replication', ['load_balance_mode = off'])
  const { url, drop } = await createDatabase()
  const database = openDatabase(pool.through(url))
  return await ordersOnPostgres(database, async () => {
    await database.close()
    await pool.stop()
    await drop()
  })
})
