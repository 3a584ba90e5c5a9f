import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { createDatabase, type TestDatabase } from '../support/servers.ts'

let created: TestDatabase
let database: Database
before(async () => {
  created = await createDatabase()
  database = openDatabase(created.url, { maxConnections: 1 })
})
after(async () => {
  await database.close()
  await created.drop()
})

test('a statement that fails after its first rows does not shift the rows of the next one', async () => {
  const numbers = async (until: number) => {
    const rows = await database.run(
      (sql) => sql`SELECT n, 60 / (6 - n) AS x FROM generate_series(1, ${until}::int) AS n`,
    )
    return rows.map(({ n, x }) => [n, x])
  }
  await assert.rejects(numbers(9), { code: '22012' })
  assert.deepEqual(await numbers(3), [
    [1, 12],
    [2, 15],
    [3, 20],
  ])
  await assert.rejects(numbers(9), { code: '22012' })
  const [first, ...more] = await database.run((sql) => sql`SELECT 1 AS one`)
  assert.deepEqual([first?.one, more.length], [1, 0])
  await assert.rejects(numbers(9), { code: '22012' })
  const none = await database.run((sql) => sql`SELECT 1 AS one WHERE false`)
  assert.equal(none.length, 0)
})

test('a server that only reads is an outage in which nothing happened, and is left for one that writes', async () => {
  await database.run((sql) => sql`CREATE TABLE written (n int)`)
  const write = () => database.run((sql) => sql`INSERT INTO written VALUES (1)`)
  // As on a connection to what was the primary before a failover.
  await database.run((sql) => sql`SET default_transaction_read_only = on`)
  await assert.rejects(write(), { code: 'store_unavailable', effect: 'none' })
  await write()
})
