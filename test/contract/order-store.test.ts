import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../internal/core/service-error.ts'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import type { Placement } from '../../internal/orders/order.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { createDatabase, startPostgres } from '../support/servers.ts'
import { ordersOnPostgres } from './on-postgres.ts'
import { orderStoreContract, placement } from './order-store.ts'

orderStoreContract('orders in PostgreSQL', async () => {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url)
  return await ordersOnPostgres(database, async () => {
    await database.close()
    await drop()
  })
})

const ROUNDS_OF_PEACE = 3

test('connections that end in mid-air cost no order and make none twice', async (t) => {
  const server = await startPostgres()
  const own = openDatabase(server.url, { deadlineMs: 2_000 })
  const control = openDatabase(server.url)
  t.after(async () => {
    await own.close()
    await control.close()
    await server.stop()
  })
  await migrate(own, SQL_DIRECTORY)
  const store = orderStore(own)
  let terminated = 0
  let rounds = 0
  let stop = false
  const saboteur = (async () => {
    while (!stop) {
      const killed = await control.run(
        (sql) => sql`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND query LIKE '%INSERT INTO orders%'
            AND state = 'active'`,
      )
      terminated += killed.length
      // Counted in rounds, not in time: where a new connection takes long, every statement would be hit otherwise.
      const next = rounds + (killed.length > 0 ? ROUNDS_OF_PEACE : 0)
      while (!stop && rounds < next) await sleep(1)
    }
  })()
  const created: Placement[] = []
  const unknown: Placement[] = []
  for (; rounds < 150 || (terminated < 5 && rounds < 1_500); rounds++) {
    const batch = Array.from({ length: 20 }, () => placement())
    const results = await Promise.allSettled(batch.map((one) => store.place(one)))
    results.forEach((result, i) => {
      const one = batch[i]
      assert.ok(one)
      if (result.status === 'fulfilled') {
        assert.equal(result.value.outcome, 'created')
        created.push(one)
      } else {
        assert.ok(result.reason instanceof ServiceError && result.reason.code === 'store_unavailable')
        unknown.push(one)
      }
    })
  }
  stop = true
  await saboteur
  assert.ok(terminated > 0, 'no connection was ended in the middle of an insert')
  for (const one of unknown) assert.equal((await store.place(one)).outcome, 'created')
  const [row] = await control.run(
    (sql) => sql`SELECT count(*)::int AS n, count(DISTINCT idempotency_key)::int AS keys FROM orders`,
  )
  const placed = created.length + unknown.length
  assert.deepEqual({ ...row }, { n: placed, keys: placed })
  assert.ok(created.length > placed / 4, `only ${created.length} of ${placed} went through under fire`)
  t.diagnostic(
    `${terminated} connections ended, ${created.length} orders created, ${unknown.length} left open`,
  )
})
