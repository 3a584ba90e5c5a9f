import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { createDatabase } from '../support/servers.ts'

const CONNECTIONS = 2

test('load() counts statements in flight, including those that wait for a connection', async (t) => {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url, { maxConnections: CONNECTIONS, deadlineMs: 30_000 })
  t.after(async () => {
    await database.close()
    await drop()
  })
  assert.deepEqual(database.load(), { inFlight: 0, connections: CONNECTIONS })
  const statements = [
    ...Array.from({ length: 5 }, () => database.run((sql) => sql`SELECT pg_sleep(0.1)`)),
    database.run((sql) => sql`SELECT 1 / 0`),
  ]
  assert.equal(database.load().inFlight, statements.length)
  const ends = await Promise.allSettled(statements)
  assert.deepEqual(
    ends.filter(({ status }) => status === 'rejected').length,
    1,
    'only the division by zero fails',
  )
  assert.equal(database.load().inFlight, 0)
})

test('the clock of the database is in milliseconds', async (t) => {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url, { maxConnections: CONNECTIONS, deadlineMs: 30_000 })
  t.after(async () => {
    await database.close()
    await drop()
  })
  const sentMs = Date.now()
  const clockMs = await database.clockMs()
  // Both use the clock of this machine. The database returns fractions, Date.now() does not.
  assert.ok(clockMs >= sentMs - 1 && clockMs <= Date.now() + 1, `${clockMs} - ${sentMs}`)
})
