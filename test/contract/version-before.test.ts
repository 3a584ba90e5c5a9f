import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { migrate, pendingMigrations } from '../../internal/database/migrate.ts'
import { partitionByClient, partitionedTables } from '../../internal/database/partition.ts'
import { readSchemaFiles } from '../../internal/database/schema-files.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { readKey } from '../../internal/payments/read-payments.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { emptyDatabase, migratedDatabase } from '../support/migrated-database.ts'
import { migrateAsBefore } from '../support/schema-before.ts'
import { createDatabase } from '../support/servers.ts'

const UPGRADED = [
  '012_from_0_1_breaking.sql',
  '007_events.sql',
  '008_webhooks.sql',
  '009_webhook_times.sql',
  '010_disabled_endpoint.sql',
  '011_lists.sql',
  '012_payment_lease.sql',
  'functions',
]
const NEW_FILES = readSchemaFiles(SQL_DIRECTORY).numbered
const FINGERPRINT = 'aa'.repeat(32)

for (const count of [7, 9, 11]) {
  test(`a database with ${count} migrations of version 0.1 gets the schema of a new one`, async (t) => {
    const { database: old } = await emptyDatabase(t)
    await migrateAsBefore(old, count)
    assert.deepEqual(await pendingMigrations(old, SQL_DIRECTORY), [UPGRADED[0], ...NEW_FILES, 'functions'])
    assert.deepEqual(await migrate(old, SQL_DIRECTORY), UPGRADED)
    assert.deepEqual(await migrate(old, SQL_DIRECTORY), [])
    assert.deepEqual(await pendingMigrations(old, SQL_DIRECTORY), [])
    const { database } = await migratedDatabase(t)
    assert.deepEqual(await describeSchema(old), await describeSchema(database))
  })
}

test('what version 0.1 has stored is found after the upgrade, in partitions too', async (t) => {
  for (const isPartitioned of [false, true]) {
    const { database: old } = await emptyDatabase(t)
    await migrateAsBefore(old, 11)
    await old.run((sql) =>
      sql.unsafe(`
        INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at, reason,
            unknown_at)
          VALUES ('acme', 's', 'unknown', decode('${FINGERPRINT}', 'hex'), 'unknown', decode(repeat('1', 32), 'hex'), 1,
            now(), 'infinity', 'timeout', now());
        INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at, status,
            headers, body)
          VALUES ('acme', 's', 'completed', decode('${FINGERPRINT}', 'hex'), 'completed', decode(repeat('1', 32), 'hex'), 1,
            now(), now() + interval '1 day', 201, '{}', 'stored');
        INSERT INTO payments (client, id, scope, idempotency_key, fingerprint, state, attempt, lease_until, sent_at, amount,
            gateway_key, charge_id, answer_status, answer_body, created_at, settled_at)
          VALUES ('acme', gen_random_uuid(), 's', 'paid', decode('${FINGERPRINT}', 'hex'), 'completed', 1, now(), now(), 1,
            repeat('a', 64), 'ch_1', 200, 'paid', now(), now());
        SELECT oncekey_audit('acme', 'payment.completed', '{}')`),
    )
    if (isPartitioned) {
      // The script of version 0.1 dropped this function, and made it again afterwards.
      await old.run((sql) => sql`DROP FUNCTION oncekey_payment_audit(payments, text, text, json)`)
      await partitionByClient(old, SQL_DIRECTORY, 2)
    }
    const before = await old.run((sql) => sql`SELECT * FROM audit_log`)
    assert.deepEqual(await migrate(old, SQL_DIRECTORY), UPGRADED)
    assert.equal((await partitionedTables(old)).length, isPartitioned ? 4 : 0)

    const store = postgresStore(old, { ttlMs: 60_000 })
    const id = { client: 'acme', scope: 's', key: 'completed' }
    const replay = await store.claim(id, FINGERPRINT, '22'.repeat(16), 1_000)
    assert.ok(replay.outcome === 'replay')
    assert.equal(replay.response.body.toString(), 'stored')
    const unknown = await store.claim({ ...id, key: 'unknown' }, FINGERPRINT, '22'.repeat(16), 1_000)
    assert.equal(unknown.outcome, 'unknown')
    const paid = await readKey(old, { client: 'acme', scope: 's', key: 'paid', fingerprint: FINGERPRINT })
    assert.ok(paid.outcome === 'settled')
    assert.equal(paid.response.body.toString(), 'paid')
    assert.deepEqual(await old.run((sql) => sql`SELECT * FROM audit_log`), before)
    await old.run((sql) => sql`SELECT oncekey_audit('acme', 'payment.completed', '{}')`)
  }
})

test('processes that upgrade at once do it once', async (t) => {
  const { url, drop } = await createDatabase()
  const databases = Array.from({ length: 4 }, () => openDatabase(url))
  t.after(async () => {
    await Promise.all(databases.map((database) => database.close()))
    await drop()
  })
  const [first] = databases
  assert.ok(first)
  await migrateAsBefore(first, 11)
  const applied = await Promise.all(databases.map((database) => migrate(database, SQL_DIRECTORY)))
  assert.deepEqual(applied.flat().sort(), UPGRADED.toSorted())
})

test('a database from before version 0.1 is refused in one sentence that says what to do, and is not changed', async (t) => {
  const { database: old } = await emptyDatabase(t)
  await migrateAsBefore(old, 6)
  const before = await describeSchema(old)
  await assert.rejects(
    migrate(old, SQL_DIRECTORY),
    /^Error: the database has the schema of a development version older than 0\.1 \(001_orders\.sql, .*006_dispatched_keys\.sql\): run oncekey migrate of version 0\.1 on it first, or use a new database$/,
  )
  assert.deepEqual(await describeSchema(old), before)
})

/** Columns, constraints, indexes, triggers, comments, functions and views, as the catalogue words them. */
async function describeSchema(database: Database): Promise<string[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull,
          pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)) AS text
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped AND attrelid::regclass IN (
          SELECT oid FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = current_schema()::regnamespace)
      UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE connamespace = current_schema()::regnamespace
      UNION ALL SELECT concat_ws(' ', relname, relpersistence, reloptions::text, obj_description(oid)) FROM pg_class
        WHERE relkind IN ('r', 'i') AND relnamespace = current_schema()::regnamespace
      UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index
        WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
      UNION ALL SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
      UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
      UNION ALL SELECT viewname || definition FROM pg_views WHERE schemaname = current_schema()
      ORDER BY 1`,
  )
  return rows.map(({ text }) => String(text).replace(/ NOT VALID$/, ''))
}
