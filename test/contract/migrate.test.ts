import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate, newerMigrations, pendingMigrations } from '../../internal/database/migrate.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { createDatabase } from '../support/servers.ts'

const FILES = readdirSync(SQL_DIRECTORY)
  .filter((name) => name.endsWith('.sql'))
  .sort()

test('many processes that migrate at once apply every file once', async (t) => {
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

test('a file that fails is not applied in part, and the files before it stay', async (t) => {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url)
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-sql-'))
  t.after(async () => {
    await database.close()
    await drop()
    rmSync(directory, { recursive: true })
  })
  writeFileSync(join(directory, '001_good.sql'), 'CREATE TABLE good (n int);')
  writeFileSync(join(directory, '002_bad.sql'), 'CREATE TABLE half (n int); SELECT 1 / 0;')
  await assert.rejects(migrate(database, directory), /migration 002_bad.sql failed: .*division by zero/)
  const tables = await database.run(
    (sql) => sql`SELECT to_regclass('good')::text AS good, to_regclass('half')::text AS half`,
  )
  assert.deepEqual({ ...tables[0] }, { good: 'good', half: null })
  assert.deepEqual(await pendingMigrations(database, directory), ['002_bad.sql'])
})

test('a database that a newer version has migrated is fine, unless a migration breaks this version', async (t) => {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url)
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-sql-'))
  t.after(async () => {
    await database.close()
    await drop()
    rmSync(directory, { recursive: true })
  })
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
