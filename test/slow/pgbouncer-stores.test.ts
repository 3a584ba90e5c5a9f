import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { idempotencyStoreContract } from '../contract/idempotency-store.ts'
import { onPostgres } from '../contract/on-postgres.ts'
import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { rerun } from '../support/rerun.ts'
import { createDatabase, databaseUrl } from '../support/servers.ts'
import { until } from '../support/until.ts'

let bouncer: PgBouncer
before(async () => {
  bouncer = await startPgBouncer(databaseUrl)
})
after(() => bouncer.stop())

idempotencyStoreContract('through PgBouncer in transaction mode', async () => {
  const { url, drop } = await createDatabase()
  const database = openDatabase(bouncer.through(url))
  return await onPostgres(database, async () => {
    await database.close()
    await drop()
  })
})

test('orders, payments and the audit trail keep their promises through PgBouncer', async (t) => {
  const files = ['order-store', 'payment-store', 'audit-log', 'sweeper']
  const { passed } = await rerun(files, { TEST_DATABASE_URL: bouncer.through(databaseUrl) })
  t.diagnostic(`${passed} tests passed through PgBouncer ${bouncer.version}`)
})

test('behind a pooler no statement is prepared, unless the URL says so; on the server itself they are', async (t) => {
  const { url, drop } = await createDatabase()
  t.after(drop)
  const direct = openDatabase(url, { maxConnections: 1 })
  t.after(() => direct.close())
  const preparedOn = async (address: string) => {
    const database = openDatabase(address, { maxConnections: 1 })
    const count = async () => {
      const [row] = await database.run((sql) => sql`SELECT count(*)::int AS n FROM pg_prepared_statements`)
      return Number(row?.n)
    }
    try {
      await count()
      // What it is behind of is looked at after the first response.
      for (let n = 0; n < 20; n++) await database.ping()
      const before = await count()
      await database.run((sql) => sql`SELECT ${1}::int AS anew`)
      return (await count()) - before
    } finally {
      await database.close()
    }
  }
  await until('the pooler is seen', async () => (await preparedOn(bouncer.through(url))) === 0)
  assert.equal(await preparedOn(url), 1)
  assert.equal(await preparedOn(`${bouncer.through(url)}?prepare=true`), 1)
})
