import { after, test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { partitionByClient } from '../../internal/database/partition.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { idempotencyStoreContract } from '../contract/idempotency-store.ts'
import { onPostgres } from '../contract/on-postgres.ts'
import { rerun } from '../support/rerun.ts'
import { createDatabase } from '../support/servers.ts'

async function partitioned() {
  const created = await createDatabase()
  const database = openDatabase(created.url)
  await migrate(database, SQL_DIRECTORY)
  await partitionByClient(database, SQL_DIRECTORY, 4)
  return { ...created, database }
}

idempotencyStoreContract('on a partitioned schema', async () => {
  const { database, drop } = await partitioned()
  return await onPostgres(database, async () => {
    await database.close()
    await drop()
  })
})

test('orders, payments and the audit trail keep their promises on a partitioned schema', async (t) => {
  const template = await partitioned()
  after(() => template.drop())
  await template.database.close()
  const files = ['order-store', 'payment-store', 'audit-log', 'sweeper']
  const { passed } = await rerun(files, { TEST_TEMPLATE: new URL(template.url).pathname.slice(1) })
  t.diagnostic(`${passed} tests passed on four partitions`)
})
