import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import postgres from 'postgres'
import { asPostgres13 } from '../support/older-servers.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, databaseUrl, query, startPostgres } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'
import { lines } from '../support/workers.ts'

test('a PostgreSQL that is too old is refused at once by serve, migrate and doctor', async (t) => {
  const database = await createDatabase()
  t.after(() => database.drop())
  const settings = { DATABASE_URL: await asPostgres13(t, database.url), PORT: '0' }
  for (const command of ['serve', 'migrate']) {
    const { code, stderr, stdout } = await oncekey([command], settings)
    assert.equal(code, 1)
    assert.match(
      stderr,
      new RegExp(
        `^oncekey ${command}: the database of DATABASE_URL is PostgreSQL 13\\..*: 14 or newer is required\\n$`,
      ),
    )
    assert.equal(stdout, '')
  }
  const doctor = await oncekey(['doctor'], settings)
  assert.equal(doctor.code, 1)
  assert.match(doctor.stdout, /^FAULT database: it is PostgreSQL 13\..*: 14 or newer is required$/m)
})

/** Settings of ALTER DATABASE that the service cannot override in its sessions. */
const UNFIT = [
  ['default_transaction_isolation', 'repeatable read'],
  ['default_transaction_isolation', 'serializable'],
  ['session_replication_role', 'replica'],
] as const

test('a database whose settings break a promise is refused by serve, migrate and doctor, which name the setting', async (t) => {
  const database = await createDatabase()
  t.after(() => database.drop())
  const name = new URL(database.url).pathname.slice(1)
  const settings = { DATABASE_URL: database.url, PORT: '0' }
  for (const [setting, value] of UNFIT) {
    await query(database.url, (sql) => sql.unsafe(`ALTER DATABASE ${name} SET ${setting} = '${value}'`))
    const reason = `has ${setting} = ${value}, .*: run ALTER DATABASE ${name} RESET ${setting}, `
    for (const command of ['serve', 'migrate']) {
      const { code, stderr } = await oncekey([command], settings)
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`^oncekey ${command}: the database of DATABASE_URL ${reason}`))
    }
    const { stdout } = await oncekey(['doctor'], settings)
    assert.match(stdout, new RegExp(`^FAULT database: it ${reason}`, 'm'))
    await query(database.url, (sql) => sql.unsafe(`ALTER DATABASE ${name} RESET ${setting}`))
  }
})

test('a database in another encoding than UTF8 is refused by serve, migrate and doctor', async () => {
  for (const encoding of ['LATIN1', 'WIN1252', 'SQL_ASCII']) {
    const name = `oncekey_test_${randomBytes(8).toString('hex')}`
    await query(databaseUrl, (sql) =>
      sql.unsafe(
        `CREATE DATABASE ${name} ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
      ),
    )
    const DATABASE_URL = Object.assign(new URL(databaseUrl), { pathname: `/${name}` }).href
    for (const command of ['serve', 'migrate']) {
      const { code, stderr } = await oncekey([command], { DATABASE_URL, PORT: '0' })
      assert.equal(code, 1)
      assert.match(
        stderr,
        new RegExp(`^oncekey ${command}: the database of DATABASE_URL has the encoding ${encoding}, .*UTF8`),
      )
    }
    const { stdout } = await oncekey(['doctor'], { DATABASE_URL })
    assert.match(stdout, new RegExp(`^FAULT database: it has the encoding ${encoding}, `, 'm'))
    await query(databaseUrl, (sql) => sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`))
  }
})

test('a setting with which a crash loses commits is a warning at the start and a fault for doctor', async (t) => {
  const database = await createDatabase()
  const name = new URL(database.url).pathname.slice(1)
  await query(database.url, (sql) => sql.unsafe(`ALTER DATABASE ${name} SET synchronous_commit = off`))
  const service = await startService({ DATABASE_URL: database.url })
  t.after(async () => {
    await service.kill()
    await database.drop()
  })
  const warned = () => lines(service).map(({ level, msg }) => `${String(level)}: ${String(msg)}`)
  await until('it is warned of', () =>
    warned().some((line) =>
      line.startsWith('warn: the database has synchronous_commit = off: a crash can lose'),
    ),
  )
  const { code, stdout } = await oncekey(['doctor'], { DATABASE_URL: database.url })
  assert.equal(code, 1)
  assert.match(
    stdout,
    /^FAULT database: it has synchronous_commit = off: a crash can lose acknowledged orders/m,
  )
})

test('a database that cannot be used ends the start at once, with what to do', async (t) => {
  const database = await createDatabase()
  t.after(() => database.drop())
  for (const [query, reason] of [
    ['?foo=bar', /cannot be used: unrecognized configuration parameter "foo": .*leave it out$/],
    ['?search_path=nowhere', /no schema has been selected to create in: no schema of search_path exists/],
    [
      '?options=-c%20default_transaction_read_only%3Don',
      /has default_transaction_read_only = on, so it accepts no writes: run ALTER DATABASE/,
    ],
    ['?sslmode=require', /cannot be used: the server does not offer TLS, .*: enable ssl in the server/],
  ] as const) {
    const { code, stderr } = await oncekey(['serve'], { DATABASE_URL: `${database.url}${query}`, PORT: '0' })
    assert.equal(code, 1)
    assert.match(stderr.trimEnd().split('\n').at(-1) ?? '', reason)
  }
})

test('a newer migration is a warning; a migration that breaks this version is refused', async (t) => {
  const server = await startPostgres(['fsync = on'])
  const database = await createDatabase(server.url)
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  t.after(async () => {
    await sql.end()
    await server.stop()
  })
  const settings = { DATABASE_URL: database.url, PORT: '0' }
  assert.equal((await oncekey(['migrate'], settings)).code, 0)
  await sql`INSERT INTO schema_migrations (name) VALUES ('998_more.sql')`
  const service = await startService(settings)
  const warned = () => lines(service).filter(({ newer }) => newer !== undefined)
  await until('it is warned of', () => warned().length === 1)
  assert.deepEqual(warned()[0]?.newer, ['998_more.sql'])
  assert.equal(warned()[0]?.level, 'warn')
  await service.stop()
  const doctor = await oncekey(['doctor'], settings)
  assert.equal(doctor.code, 0)
  assert.match(
    doctor.stdout,
    /^ok {4}migrations: all applied, and by a newer version 998_more\.sql: upgrade/m,
  )

  await sql`INSERT INTO schema_migrations (name) VALUES ('999_less_breaking.sql')`
  const refused = await oncekey(['serve'], settings)
  assert.equal(refused.code, 1)
  assert.match(
    refused.stderr,
    /^oncekey serve: the database is newer than this program, .*999_less_breaking\.sql/,
  )
  assert.match(
    (await oncekey(['doctor'], settings)).stdout,
    /^FAULT migrations: .*too new for this version$/m,
  )
})
