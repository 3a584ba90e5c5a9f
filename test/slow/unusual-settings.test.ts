import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { idempotencyStoreContract } from '../contract/idempotency-store.ts'
import { onPostgres } from '../contract/on-postgres.ts'
import { startPgBouncer } from '../support/pgbouncer.ts'
import { rerun } from '../support/rerun.ts'
import { createDatabase, databaseUrl, query } from '../support/servers.ts'

/** What databases and roles may have been given for other programs. Each of them changes the text of a value. */
const SETTINGS = [
  ['bytea_output', 'escape'],
  ['datestyle', 'German, DMY'],
  ['timezone', 'Asia/Kathmandu'],
  ['standard_conforming_strings', 'off'],
  ['escape_string_warning', 'off'],
  ['intervalstyle', 'sql_standard'],
  ['extra_float_digits', '-15'],
  ['xmlbinary', 'hex'],
  ['transform_null_equals', 'on'],
  ['quote_all_identifiers', 'on'],
  ['lc_messages', 'C'],
  ['lock_timeout', '10s'],
  ['idle_in_transaction_session_timeout', '1s'],
] as const

const role = `oncekey_unusual_${randomBytes(6).toString('hex')}`
const url = Object.assign(new URL(databaseUrl), { username: role }).href
before(async () => {
  await query(databaseUrl, async (sql) => {
    await sql.unsafe(`CREATE ROLE ${role} SUPERUSER LOGIN`)
    for (const [name, value] of SETTINGS) await sql.unsafe(`ALTER ROLE ${role} SET ${name} = '${value}'`)
  })
})
after(() =>
  query(databaseUrl, async (sql) => {
    // Those of tests that failed.
    const left = await sql`SELECT datname FROM pg_database WHERE datdba = ${role}::regrole`
    for (const { datname } of left) await sql.unsafe(`DROP DATABASE ${String(datname)} WITH (FORCE)`)
    await sql.unsafe(`DROP ROLE ${role}`)
  }),
)

idempotencyStoreContract('with a role of unusual settings', async () => {
  const created = await createDatabase(url)
  const database = openDatabase(created.url)
  return await onPostgres(database, async () => {
    await database.close()
    await created.drop()
  })
})

const FILES = ['order-store', 'payment-store', 'audit-log']

test('orders, payments and the audit trail keep their promises whatever the role has set', async (t) => {
  const { passed } = await rerun(FILES, { TEST_DATABASE_URL: url })
  t.diagnostic(`${passed} tests passed with unusual settings`)
})

test('the same holds through PgBouncer, whose connections have the settings of another role', async (t) => {
  const bouncer = await startPgBouncer(url)
  t.after(() => bouncer.stop())
  const { passed } = await rerun(FILES, { TEST_DATABASE_URL: bouncer.through(url) })
  t.diagnostic(`${passed} tests passed with unusual settings through PgBouncer ${bouncer.version}`)
})
