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
import { checkOrders, readOrdersAt, rowsOf } from '../support/check-orders.ts'
import { type CitusCluster, startCitus, whatCitusLacks } from '../support/citus.ts'
import { type History, type Load, met, startLoad, summary } from '../support/order-load.ts'
import { rerun } from '../support/rerun.ts'
import { oncekey } from '../support/run-command.ts'
import {
  createDatabase,
  query,
  startRedis,
  type ThrowawayServer,
  temporaryDirectory,
} from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const CONTRACTS = [
  'keys-on-postgres',
  'order-store',
  'payment-store',
  'audit-log',
  'client-table',
  'sweeper',
  'event-log',
  'webhooks',
]
/** Of the load: that of the demo mode. */
const CLIENT = 'default'
const PATIENCE_MS = 120_000
const SOME = 200

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
  const { shard, from, to } = await placeOf(url, CLIENT, 'audit_log')
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
  await move(url, shard, from, to)
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
  const placing = assert.rejects(store.place(placement()), { code: 'store_unavailable', effect: 'unknown' })
  // The statement is sent a second time, and waits again.
  let waits = 0
  await Promise.race([
    placing,
    until('both waits were cut short', async () => {
      for (const worker of cluster.workers) {
        const cut = await query(
          worker.url,
          (sql) => sql`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`,
        )
        waits += cut.length
      }
      return waits > 2
    }),
  ])
  await placing
  assert.ok(waits > 0)
})

for (const keys of ['redis', 'postgres'] as const) {
  describe(`under load, keys in ${keys}`, () => {
    let redis: ThrowawayServer
    let url: string
    let nodes: Service[] = []
    before(async () => {
      redis = await startRedis()
      url = await cluster.createDatabase()
      const settings = {
        DATABASE_URL: url,
        RATE_LIMITS: 'none',
        LOG_LEVEL: 'error',
        ...(keys === 'redis' ? { REDIS_URL: redis.url } : {}),
      }
      nodes = [await startService(settings), await startService(settings)]
    })
    after(async () => {
      await Promise.all(nodes.map((node) => node.kill()))
      await redis?.stop()
    })

    const start = () =>
      startLoad({
        urls: nodes.map((node) => node.url),
        clients: 8,
        copies: 2,
        maxKeys: 20_000,
        patienceMs: PATIENCE_MS,
      })

    /** Every acknowledged order is there, once, and every retry got the same response. */
    const check = async (load: Load): Promise<History> => {
      const history = await load.finish()
      checkOrders(rowsOf(await readOrdersAt(url), history.sent), history.sent)
      return history
    }

    test('a worker gets SIGKILL: 503 until it is back, and nothing is lost or done twice', async (t) => {
      const { from } = await placeOf(url, CLIENT, 'orders')
      const worker = cluster.workers.find((one) => Number(new URL(one.url).port) === from)
      assert.ok(worker)
      const load = start()
      await load.more(SOME)
      await worker.kill()
      await until('a request met the outage', () => met(load.history, '503 store_unavailable') > 0)
      // The clients of the other worker are served.
      for (const node of nodes) assert.equal((await fetch(`${node.url}/readyz`)).status, 200)
      await worker.restart()
      await load.more(SOME)
      t.diagnostic(summary(await check(load)))
    })

    test('a shard is moved to the other worker and back: nothing is lost or done twice', async (t) => {
      const load = start()
      await load.more(SOME)
      const { shard, from, to } = await placeOf(url, CLIENT, 'orders')
      await move(url, shard, from, to)
      assert.equal((await placeOf(url, CLIENT, 'orders')).from, to)
      await load.more(SOME)
      await move(url, shard, to, from)
      await load.more(SOME)
      t.diagnostic(summary(await check(load)))
    })

    test('a worker is added and gets the shard: nothing is lost or done twice', async (t) => {
      const load = start()
      await load.more(SOME)
      const added = await cluster.addWorker(url)
      const { shard, from } = await placeOf(url, CLIENT, 'orders')
      const to = Number(new URL(added.url).port)
      await move(url, shard, from, to)
      await load.more(SOME)
      t.diagnostic(summary(await check(load)))
      await move(url, shard, to, from)
    })
  })
}

/** The shard of a client, the port of its worker, and that of another one. */
async function placeOf(
  url: string,
  client: string,
  table: string,
): Promise<{ shard: string; from: number; to: number }> {
  const [row] = await query(
    url,
    (sql) => sql`
      SELECT s.shardid::text AS shard, s.nodeport AS at FROM citus_shards AS s
      WHERE s.shardid = get_shard_id_for_distribution_column(${table}::text::regclass, ${client}::text)`,
  )
  const from = Number(row?.at)
  const to = cluster.workers.map((worker) => Number(new URL(worker.url).port)).find((port) => port !== from)
  return { shard: String(row?.shard), from, to: to ?? 0 }
}

async function move(url: string, shard: string, from: number, to: number): Promise<void> {
  await query(
    url,
    (sql) => sql`
      SELECT citus_move_shard_placement(${shard}::text::bigint, '127.0.0.1', ${from}::integer, '127.0.0.1', ${to}::integer)`,
  )
}

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
