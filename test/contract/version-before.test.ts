import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { createDatabase } from '../support/servers.ts'

// Services are replaced one by one: for a while those of the version before 006_dispatched_keys.sql run beside the
// new ones, on the new schema.
test('a service of the version before works on, takes over nothing that was dispatched, and what it held stays', async (t) => {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url)
  const old = mkdtempSync(join(tmpdir(), 'oncekey-sql-'))
  t.after(async () => {
    await database.close()
    await drop()
    rmSync(old, { recursive: true })
  })
  for (const name of readdirSync(SQL_DIRECTORY)) {
    if (name < '006') copyFileSync(join(SQL_DIRECTORY, name), join(old, name))
  }
  await migrate(database, old)

  const bytes = (digit: string, count: number) => Buffer.from(digit.repeat(count * 2), 'hex')
  const claim = async (key: string, token: string, leaseMs: number) => {
    const [row] = await database.run(
      (sql) => sql`
        SELECT c.* FROM oncekey_claim('acme', 's', ${key}, ${bytes('a', 32)}, ${bytes(token, 16)}, ${leaseMs}::integer, 60000) AS c`,
    )
    return row
  }
  const release = (key: string, token: string) =>
    database.run(
      (sql) => sql`SELECT oncekey_release('acme', 's', ${key}, ${bytes(token, 16)}, 'unknown') AS done`,
    )
  await claim('held before', '1', 0)
  await release('held before', '1')

  await migrate(database, SQL_DIRECTORY)
  const store = postgresStore(database, { ttlMs: 60_000 })
  const dispatched = { client: 'acme', scope: 's', key: 'dispatched' }
  await store.claim(dispatched, 'aa'.repeat(32), '22'.repeat(16), 0)
  await store.dispatch(dispatched, '22'.repeat(16))
  assert.equal((await claim('dispatched', '3', 60_000))?.outcome, 'unknown')
  assert.equal((await claim('held before', '3', 60_000))?.outcome, 'unknown')

  assert.equal((await claim('its own', '4', 0))?.outcome, 'acquired')
  const taken = await claim('its own', '5', 60_000)
  assert.deepEqual([taken?.outcome, taken?.attempt], ['acquired', 2])
  const [done] = await database.run(
    (sql) =>
      sql`SELECT oncekey_complete('acme', 's', 'its own', ${bytes('5', 16)}, 201::smallint, '{}', ''::bytea) AS done`,
  )
  assert.equal(done?.done, true)
  const replay = await claim('its own', '6', 60_000)
  assert.deepEqual([replay?.outcome, replay?.status, replay?.headers], ['replay', 201, '{}'])
  await claim('held after', '7', 0)
  const [held] = await release('held after', '7')
  assert.equal(held?.done, true)

  const rows = await database.run(
    (sql) => sql`SELECT key FROM idempotency_keys WHERE expires_at = 'infinity' ORDER BY key`,
  )
  assert.deepEqual(
    rows.map(({ key }) => key),
    ['dispatched', 'held after', 'held before'],
  )
})
