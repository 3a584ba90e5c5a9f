import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { distributeByClient } from '../../internal/database/distribute.ts'
import { migrate, newerMigrations, pendingMigrations } from '../../internal/database/migrate.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { emptyDatabase, migratedDatabase } from '../support/migrated-database.ts'
import { createDatabase } from '../support/servers.ts'

const FILES = readdirSync(SQL_DIRECTORY)
  .filter((name) => name.endsWith('.sql'))
  .concat('functions')
  .sort()

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-sql-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

test('concurrent migrations apply every file once', async (t) => {
  const { url, drop } = await createDatabase()
  const databases = Array.from({ length: 8 }, () => openDatabase(url))
  t.after(async () => {
    await Promise.all(databases.map((database) => database.close()))
    await drop()
  })
  const applied = await Promise.all(databases.map((database) => migrate(database, SQL_DIRECTORY)))
  assert.deepEqual(applied.flat().sort(), FILES)
  const [database] = databases
  assert.ok(database)
  assert.deepEqual(await migrate(database, SQL_DIRECTORY), [])
  assert.deepEqual(await pendingMigrations(database, SQL_DIRECTORY), [])
})

test('a table of another program is an error that says what to do, and a separate schema works', async (t) => {
  const { url, drop } = await createDatabase()
  const shared = openDatabase(url)
  const own = openDatabase(`${url}?search_path=oncekey`)
  t.after(async () => {
    await Promise.all([shared.close(), own.close()])
    await drop()
  })
  await shared.run((sql) => sql.unsafe('CREATE TABLE orders (id int); CREATE SCHEMA oncekey'))
  await assert.rejects(
    migrate(shared, SQL_DIRECTORY),
    /^Error: migration 002_orders.sql failed: relation "orders" already exists: another program has a table with this name: use .* search_path=oncekey in DATABASE_URL$/,
  )
  assert.deepEqual((await migrate(own, SQL_DIRECTORY)).sort(), FILES)
  const columns = await shared.run(
    (sql) => sql`SELECT attname FROM pg_attribute WHERE attrelid = 'public.orders'::regclass AND attnum > 0`,
  )
  assert.deepEqual(
    columns.map(({ attname }) => attname),
    ['id'],
  )
})

test('a failed file is rolled back, and the files before it stay applied', async (t) => {
  const { database } = await emptyDatabase(t)
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, '001_good.sql'), 'CREATE TABLE good (n int);')
  writeFileSync(join(directory, '002_bad.sql'), 'CREATE TABLE half (n int); SELECT 1 / 0;')
  await assert.rejects(migrate(database, directory), /migration 002_bad.sql failed: .*division by zero/)
  const tables = await database.run(
    (sql) => sql`SELECT to_regclass('good')::text AS good, to_regclass('half')::text AS half`,
  )
  assert.deepEqual({ ...tables[0] }, { good: 'good', half: null })
  assert.deepEqual(await pendingMigrations(database, directory), ['002_bad.sql'])
})

test('a database that a newer version has migrated is accepted, unless a migration breaks this version', async (t) => {
  const { database } = await emptyDatabase(t)
  const directory = temporaryDirectory(t)
  const [newer, breaking] = ['002_more.sql', '003_less_breaking.sql']
  writeFileSync(join(directory, '001_first.sql'), 'CREATE TABLE first (n int);')
  await migrate(database, directory)
  await database.run((sql) => sql`INSERT INTO schema_migrations (name) VALUES (${newer})`)
  assert.deepEqual(await newerMigrations(database, directory), [newer])
  assert.deepEqual(await migrate(database, directory), [])

  await database.run((sql) => sql`INSERT INTO schema_migrations (name) VALUES (${breaking})`)
  writeFileSync(join(directory, '004_own.sql'), 'CREATE TABLE own (n int);')
  await assert.rejects(
    migrate(database, directory),
    /newer than this program, .* since 003_less_breaking\.sql: /,
  )
  assert.deepEqual(await pendingMigrations(database, directory), ['004_own.sql'], 'nothing was touched')
  writeFileSync(join(directory, breaking), 'DROP TABLE first;')
  assert.deepEqual(await migrate(database, directory), ['004_own.sql'], 'the version that knows it goes on')
})

/** A package with `version`, one table, and a function that returns `result`. */
function writePackage(root: string, version: string, result: number, comment: string): string {
  const directory = join(root, 'sql')
  mkdirSync(join(directory, 'functions'), { recursive: true })
  writeFileSync(join(root, 'package.json'), JSON.stringify({ version }))
  writeFileSync(
    join(directory, '001_first.sql'),
    `CREATE TABLE first (n int);\nCOMMENT ON COLUMN first.n IS '${comment}';\n`,
  )
  writeFileSync(
    join(directory, 'functions', 'result.sql'),
    `CREATE OR REPLACE FUNCTION result() RETURNS int LANGUAGE sql AS $$ SELECT ${result} $$;`,
  )
  return directory
}

test('functions and comments are applied again when their text changes, but not by an older version', async (t) => {
  const { database } = await emptyDatabase(t)
  const root = temporaryDirectory(t)
  const state = async () => {
    const [row] = await database.run(
      (sql) => sql`SELECT result() AS result, col_description('first'::regclass, 1) AS comment`,
    )
    return [row?.result, row?.comment]
  }
  const directory = writePackage(root, '1.9.0', 1, 'one')
  assert.deepEqual(await migrate(database, directory), ['001_first.sql', 'functions'])
  assert.deepEqual(await migrate(database, directory), [])

  writePackage(root, '1.10.0', 2, 'two')
  assert.deepEqual(await pendingMigrations(database, directory), ['functions'])
  assert.deepEqual(await migrate(database, directory), ['functions'])
  assert.deepEqual(await state(), [2, 'two'])

  writePackage(root, '1.9.0', 1, 'one')
  assert.deepEqual(await pendingMigrations(database, directory), [])
  assert.deepEqual(await newerMigrations(database, directory), ['functions'])
  assert.deepEqual(await migrate(database, directory), [])
  assert.deepEqual(await state(), [2, 'two'])

  // A build between two releases has the version of the one before.
  writePackage(root, '1.10.0', 1, 'one')
  await database.run((sql) => sql`INSERT INTO schema_migrations (name) VALUES ('002_later.sql')`)
  assert.deepEqual(await migrate(database, directory), [])
  assert.deepEqual(await state(), [2, 'two'])
  await database.run((sql) => sql`DELETE FROM schema_migrations WHERE name = '002_later.sql'`)

  writePackage(root, '1.11.0', 0, 'one')
  writeFileSync(join(directory, 'functions', 'wrong.sql'), 'SELECT 1 / 0;')
  await assert.rejects(migrate(database, directory), /migration functions failed: .*division by zero/)
  assert.deepEqual(await state(), [2, 'two'])
})

test('migrate --distribute refuses a server without Citus and changes nothing', async (t) => {
  const { database } = await migratedDatabase(t)
  await assert.rejects(
    distributeByClient(database, SQL_DIRECTORY),
    /^Error: the tables cannot be distributed: the database has no extension citus; --distribute needs/,
  )
  assert.deepEqual(await pendingMigrations(database, SQL_DIRECTORY), [])
  assert.equal(database.shards, undefined)
})

/** Columns that need no comment. */
const OBVIOUS =
  /\.(client|id|one|version|created_at|item|user_id|description|key|body|status|response_(status|body)|checksum)$|_at$/

test('every column that is not obvious has a comment', async (t) => {
  const { database } = await migratedDatabase(t)
  const rows = await database.run(
    (sql) => sql`
      SELECT relname || '.' || attname AS name FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
      WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname <> 'schema_migrations'
        AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL ORDER BY 1`,
  )
  const missing = rows.map(({ name }) => String(name)).filter((name) => !OBVIOUS.test(name))
  assert.deepEqual(missing, [])
})
