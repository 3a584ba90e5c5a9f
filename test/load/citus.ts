/*
 * npm run test:citus: a coordinator and two workers of Citus. The contracts of orders, payments, keys, the audit trail, clients
 * and events on a database that is distributed; then the service under load, with the keys in Redis and in PostgreSQL: a worker
 * that gets SIGKILL, shards that are moved, a worker that is added. Needs a PostgreSQL with Citus 13, such as the image
 * citusdata/citus has, and redis-server. docs/engines.md has the results.
 */
import assert from 'node:assert/strict'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { placement } from '../contract/order-store.ts'
import { type CitusCluster, startCitus, whatCitusLacks } from '../support/citus.ts'
import { rerun } from '../support/rerun.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, query, temporaryDirectory } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { underLoad } from './citus-load.ts'
import { TABLE_CONTRACTS } from './table-contracts.ts'

const CONTRACTS = [...TABLE_CONTRACTS, 'audit-concurrency', 'table-registry', 'event-log', 'webhooks']
const CLIENT = 'acme'

const missing = whatCitusLacks()
if (missing !== undefined) {
  console.error(missing)
  process.exit(1)
}

let cluster: CitusCluster
before(async () => {
  cluster = await startCitus()
})
after(() => cluster?.stop())

describe('contracts', () => {
  for (const name of CONTRACTS) {
    test(name, async (t) => {
      const { passed } = await rerun([name], {
        TEST_DATABASE_URL: cluster.coordinator.url,
        TEST_CITUS_WORKERS: cluster.workers.map(({ url }) => url).join(),
      })
      t.diagnostic(`${passed} tests passed`)
    })
  }
})

test('migrate --distribute may be run again, and doctor says where the shards are', async () => {
  const DATABASE_URL = await cluster.createDatabase()
  const [first = '', second = ''] = cluster.workers.map(({ url }) => new URL(url).host)
  const { code, stdout, stderr } = await oncekey(['migrate', '--distribute'], { DATABASE_URL })
  assert.equal(code, 0, stderr)
  for (const line of ['nothing to apply', `${first} has 4 shards`, `${second} has 4 shards`])
    assert.ok(stdout.split('\n').includes(line), stdout)
  const doctor = await oncekey(['doctor'], { DATABASE_URL })
  assert.match(doctor.stdout, /^ok {4}shards: 8 of each table, by client, on 2 of 2 workers: /m)
  await query(
    DATABASE_URL,
    (sql) =>
      sql`ALTER DATABASE ${sql(new URL(DATABASE_URL).pathname.slice(1))} RESET client_connection_check_interval`,
  )
  const without = await oncekey(['doctor'], { DATABASE_URL })
  assert.match(without.stdout, /^FAULT shards: client_connection_check_interval is 0, /m)
})

test('later migrations and functions reach every shard and every worker', async (t) => {
  const url = await cluster.createDatabase()
  const root = temporaryDirectory()
  const directory = join(root, 'sql')
  cpSync(SQL_DIRECTORY, directory, { recursive: true })
  writeFileSync(join(root, 'package.json'), '{"version":"99.0.0"}')
  const tables = ['orders', 'payments', 'idempotency_keys', 'events', 'audit_heads', 'audit_log']
  // Citus takes a column and its CHECK in two statements alone.
  const later = tables.map(
    (table) =>
      `ALTER TABLE ${table} ADD COLUMN later text; ALTER TABLE ${table} ADD CONSTRAINT ${table}_later CHECK (later <> '');`,
  )
  writeFileSync(join(directory, '999_later.sql'), later.join('\n'))
  const changed =
    "CREATE OR REPLACE FUNCTION oncekey_audit_time(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'later' $$;"
  writeFileSync(join(directory, 'functions', 'later.sql'), changed)
  const database = openDatabase(url)
  t.after(() => database.close())
  assert.deepEqual(await migrate(database, directory), ['999_later.sql', 'functions'])
  for (const table of tables) {
    const rows = await query(
      url,
      (sql) => sql`SELECT success FROM run_command_on_shards(${table}, 'SELECT count(later) FROM %s')`,
    )
    assert.deepEqual(
      rows.map(({ success }) => success),
      Array.from({ length: 8 }, () => true),
      table,
    )
  }
  const answers = await query(
    url,
    (sql) => sql`SELECT result FROM run_command_on_workers('SELECT oncekey_audit_time(now())')`,
  )
  assert.deepEqual(new Set(answers.map(({ result }) => result)), new Set(['later']))
})

test('the audit trail is append-only in every shard, on its worker too, and after a shard was moved', async () => {
  const url = await cluster.createDatabase()
  await query(url, (sql) => sql`SELECT oncekey_audit(${CLIENT}, 'a.test', '{}')`)
  const { shard, from, to } = await cluster.placeOf(url, CLIENT, 'audit_log')
  const attempts = async () => {
    await assert.rejects(
      query(url, (sql) => sql`UPDATE audit_log SET entry = '{"n":1}' WHERE client = ${CLIENT}`),
      /append-only: UPDATE refused/,
    )
    await assert.rejects(
      query(url, (sql) => sql`TRUNCATE audit_log`),
      /append-only: TRUNCATE refused/,
    )
    const rows = await query(
      url,
      (sql) => sql`SELECT success, result FROM run_command_on_shards('audit_log', 'DELETE FROM %s')`,
    )
    assert.equal(rows.length, 8)
    for (const { success, result } of rows) {
      assert.equal(success, false)
      assert.match(String(result), /append-only: DELETE refused/)
    }
  }
  await attempts()
  await cluster.move(url, shard, from, to)
  await attempts()
  const verified = await oncekey(['audit', 'verify'], { DATABASE_URL: url })
  assert.equal(verified.code, 0, verified.stdout + verified.stderr)
})

test('an order whose worker gave up waiting for its synchronous standby is not acknowledged', async (t) => {
  const url = await cluster.createDatabase()
  const database = openDatabase(url)
  const setStandby = async (names: string) => {
    for (const worker of cluster.workers) {
      await query(worker.url, (sql) => sql.unsafe(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`))
      await query(worker.url, (sql) => sql`SELECT pg_reload_conf()`)
    }
  }
  t.after(async () => {
    await setStandby('')
    await database.close()
  })
  await migrate(database, SQL_DIRECTORY)
  const store = orderStore(database)
  assert.equal((await store.place(placement())).outcome, 'created')
  await setStandby('nobody')
  let isOver = false
  const placing = assert
    .rejects(store.place(placement()), { code: 'store_unavailable', effect: 'unknown' })
    .finally(() => {
      isOver = true
    })
  placing.catch(() => {})
  // The statement is sent a second time, and waits again.
  let waits = 0
  await until('the order was refused', async () => {
    for (const worker of cluster.workers) {
      const cut = await query(
        worker.url,
        (sql) => sql`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`,
      )
      waits += cut.length
    }
    return isOver
  })
  await placing
  assert.ok(waits > 0)
})

underLoad(() => cluster)

test('a server without Citus is refused in one sentence', async () => {
  const { url, drop } = await createDatabase(cluster.coordinator.url)
  const { code, stderr } = await oncekey(['migrate', '--distribute'], { DATABASE_URL: url })
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^oncekey migrate: the tables cannot be distributed: the database has no extension citus;/m,
  )
  await drop()
})
