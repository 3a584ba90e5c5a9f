import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { appendFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import { auditLog } from '../../internal/audit/audit-log.ts'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { partitionByClient, partitionedTables } from '../../internal/database/partition.ts'
import { readEvents } from '../../internal/events/event-log.ts'
import { postgresRecords } from '../../internal/idempotency/postgres-records.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { findOrders, orderStore } from '../../internal/orders/order-store.ts'
import { gatewayKeyOf } from '../../internal/payments/payment.ts'
import { paymentStore } from '../../internal/payments/payment-store.ts'
import { findPayment, findPayments, readKey } from '../../internal/payments/read-payments.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { type Executed, explained } from '../support/explained.ts'
import { openMigrated } from '../support/migrated-database.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase } from '../support/servers.ts'

const PARTITIONS = 4
const TABLES = ['audit_log', 'events', 'idempotency_keys', 'orders', 'payments']
const DAY_MS = 86_400_000
const FINGERPRINT = 'a'.repeat(64)

const { database, url, close } = await openMigrated('server')
after(close)

test('every unique key starts with the client', async () => {
  const rows = await database.run(
    (sql) => sql`
      SELECT indexrelid::regclass::text AS name, attname FROM pg_index
      JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
      WHERE indisunique AND indrelid::regclass::text IN ${sql(TABLES)}`,
  )
  assert.ok(rows.length >= TABLES.length)
  for (const { name, attname } of rows) assert.equal(attname, 'client', `${name}`)
})

test('migrate --partition splits the tables and keeps their rows', async () => {
  const clients = Array.from({ length: 12 }, (_, n) => `client-${n}`)
  for (const client of clients) await use(database, client)
  const before = await contents()
  const objects = await definitions()
  const { code, stdout, stderr } = await oncekey(['migrate', '--partition', `${PARTITIONS}`], {
    DATABASE_URL: url,
  })
  assert.equal(code, 0, stderr)
  assert.equal(
    stdout,
    `nothing to apply\n${TABLES.map((table) => `${table} has ${PARTITIONS} partitions\n`).join('')}`,
  )
  assert.deepEqual(await contents(), before)
  assert.deepEqual(await definitions(), objects)
  const again = await oncekey(['migrate', '--partition', '8'], { DATABASE_URL: url })
  assert.match(again.stdout, new RegExp(`^orders has already ${PARTITIONS} partitions$`, 'm'))
  const wrong = await oncekey(['migrate', '--partition', '1'], { DATABASE_URL: url })
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /--partition must be a whole number from 2 to 1024/)
  // The audit chains continue and are valid.
  for (const client of clients) await use(database, client)
  const audit = await oncekey(['audit', 'verify'], { DATABASE_URL: url })
  assert.equal(audit.code, 0, audit.stdout + audit.stderr)
})

test('every statement of a request uses one partition of each table', async (t) => {
  const { watched, executed, close } = await explained(url, database)
  t.after(close)
  // More often than PostgreSQL makes a custom plan: the generic plan must use one partition too.
  for (let ref = 0; ref < 8; ref++) await use(watched, 'acme')
  const parts = executed.map((one) => ({ ...one, touched: partitionsOf(one) }))
  for (const { query, touched } of parts) {
    for (const table of TABLES) {
      const own = new Set(touched.filter((name) => name.startsWith(`${table}_p`)))
      assert.ok(own.size <= 1, `${[...own].join()} touched by ${query}`)
    }
  }
  const seen = new Set(parts.flatMap(({ touched }) => touched.map((name) => name.replace(/_p\d+$/, ''))))
  assert.deepEqual([...seen].sort(), TABLES)
  assert.ok(parts.filter(({ touched }) => touched.length > 0).length > 100, 'too few statements were seen')
})

test('the audit trail is append-only in its partitions too', async () => {
  for (const table of ['audit_log', 'audit_log_p0', `audit_log_p${PARTITIONS - 1}`]) {
    for (const statement of [
      `UPDATE ${table} SET entry = '{}'`,
      `DELETE FROM ${table}`,
      `TRUNCATE ${table}`,
      `SET LOCAL session_replication_role = replica; DELETE FROM ${table}`,
    ]) {
      await assert.rejects(
        database.run((sql) => sql.unsafe(statement)),
        (error: Error) =>
          error.cause instanceof Error && 'code' in error.cause && error.cause.code === '42501',
        statement,
      )
    }
  }
})

test('later migrations work on a partitioned schema', async (t) => {
  const { url, drop } = await createDatabase()
  const early = openDatabase(url)
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-sql-'))
  t.after(async () => {
    await early.close()
    await drop()
    rmSync(directory, { recursive: true })
  })
  cpSync(SQL_DIRECTORY, directory, { recursive: true })
  await migrate(early, directory)
  await partitionByClient(early, directory, PARTITIONS)
  const later = TABLES.map((table) => `ALTER TABLE ${table} ADD COLUMN later text CHECK (later <> '');`)
  writeFileSync(join(directory, '999_later.sql'), later.join('\n'))
  appendFileSync(join(directory, 'functions', 'rehearse.sql'), '-- Later.\n')
  assert.deepEqual(await migrate(early, directory), ['999_later.sql', 'functions'])
  assert.equal((await partitionedTables(early)).length, TABLES.length)
  await use(early, 'acme')
})

async function contents(): Promise<unknown[]> {
  return await Promise.all(
    TABLES.map(async (table) => {
      const rows = await database.run((sql) => sql`SELECT t::text AS row FROM ${sql(table)} AS t ORDER BY 1`)
      return rows.map(({ row }) => String(row))
    }),
  )
}

/** Constraints, indexes, triggers, privileges, functions and views, from the catalogue. */
async function definitions(): Promise<string[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT conname || ' ' || pg_get_constraintdef(oid) AS text FROM pg_constraint
        WHERE conrelid::regclass::text IN ${sql(TABLES)}
      UNION ALL SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index
        WHERE indrelid::regclass::text IN ${sql(TABLES)}
      UNION ALL SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger
        WHERE tgrelid::regclass::text IN ${sql(TABLES)} AND NOT tgisinternal
      UNION ALL SELECT relname || ' ' || relacl::text FROM pg_class WHERE oid::regclass::text IN ${sql(TABLES)}
        AND relacl IS NOT NULL AND relname = 'audit_log'
      UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'oncekey%'
      UNION ALL SELECT viewname || definition FROM pg_views WHERE schemaname = 'public'
      ORDER BY 1`,
  )
  return rows.map(({ text }) => String(text).replace(/ NOT VALID$/, ''))
}

function partitionsOf({ touched }: Executed): string[] {
  return touched.filter((name) => /_p\d+$/.test(name))
}

/** The statements of requests of one client: every verb of the stores, with every outcome. */
async function use(on: Database, client: string): Promise<void> {
  const keys = postgresStore(on, { ttlMs: DAY_MS })
  const id = { client, scope: 'POST /orders', key: randomUUID() }
  const token = randomBytes(16).toString('hex')
  const response = { status: 201, headers: {}, body: Buffer.from('x') }
  await keys.claim(id, FINGERPRINT, token, 30_000)
  await keys.dispatch(id, token)
  await keys.renew(id, token, 30_000)
  await keys.complete(id, token, response)
  await keys.claim(id, FINGERPRINT, randomBytes(16).toString('hex'), 30_000)
  const unknown = { ...id, key: randomUUID() }
  await keys.claim(unknown, FINGERPRINT, token, 30_000)
  await keys.release(unknown, token, { unknown: 'not_told' })
  await keys.resolve(unknown, token, response, { by: 'jane' })
  await postgresRecords(on, { ttlMs: DAY_MS }).show(id)

  const orders = orderStore(on)
  const order = {
    id: uuidv7(),
    userId: 'user-1',
    item: 'book',
    amount: '19.9',
    key: id.key,
    createdAt: new Date(),
  }
  const placement = { client, order, fingerprint: FINGERPRINT, response: { status: 201, body: '{}' } }
  await orders.place(placement)
  await orders.place({ ...placement, order: { ...order, id: uuidv7() } })
  await orders.standing({ client, key: id.key, fingerprint: FINGERPRINT })
  await orders.find(client, order.id)
  await orders.list(client, { limit: 10, before: undefined })
  await orders.list(client, { limit: 10, before: uuidv7() })

  const payments = paymentStore(on, { settleMs: 30_000 })
  const scope = 'POST /api/v1/payments'
  const payment = {
    client,
    id: uuidv7(),
    scope,
    key: id.key,
    state: 'processing' as const,
    amount: '19.9',
    currency: 'EUR',
    userId: undefined,
    description: undefined,
    paymentMethod: '****4242',
    metadata: undefined,
    gatewayKey: gatewayKeyOf(client, scope, id.key),
    createdAt: new Date(),
  }
  const ref = { client, id: payment.id, attempt: 1, requestId: 'request-1' }
  await payments.begin({ payment, fingerprint: FINGERPRINT, requestId: 'request-1' })
  await payments.sendAgain(ref)
  await payments.settle(ref, {
    state: 'completed',
    chargeId: 'ch_1',
    event: 'payment.completed',
    by: undefined,
    reason: undefined,
    response: { status: 200, body: Buffer.from('{}') },
  })
  await findPayment(on, client, payment.id)
  await readKey(on, { client, scope, key: id.key, fingerprint: FINGERPRINT })
  await readEvents(on, client, { after: undefined, type: undefined, limit: 10 })
  await readEvents(on, client, {
    after: { position: '1', object: payment.id },
    type: 'payment.unknown',
    limit: 10,
  })
  await findOrders(on, client, [order.id])
  await findPayments(on, client, [payment.id])
  const audit = auditLog(on)
  await audit.append({ client, eventType: 'payment.replayed', entry: '{}' })
  await audit.list(client, { limit: 10 })
  await audit.list(client, { limit: 10, eventType: 'payment.replayed', before: 1_000 })
}
