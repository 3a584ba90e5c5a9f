import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { auditLog } from '../../internal/audit/audit-log.ts'
import type { Database } from '../../internal/database/database.ts'
import { countOpenAndFailed } from '../../internal/events/delivery-table.ts'
import { readEvents } from '../../internal/events/event-log.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import type { PaymentState } from '../../internal/payments/payment.ts'
import { listPayments } from '../../internal/payments/read-payments.ts'
import { explained } from '../support/explained.ts'
import { openMigrated } from '../support/migrated-database.ts'

/** Of a client: more than a hundred blocks of each index, and three times as many of a table. */
const ROWS = 10_000
const LIMIT = 20
/** A page is read with some blocks of each index and, at worst, a block for each row. */
const MOST_BLOCKS = 60
const START = Date.UTC(2026, 0, 1)
const STEP_MS = 60_000
const END = START + ROWS * STEP_MS

const { database, url, close } = await openMigrated('server')
after(close)

before(async () => {
  for (const client of ['acme', 'bolt']) await fill(client)
  await database.run((sql) => sql`ANALYZE`, 60_000)
})

async function fill(client: string): Promise<void> {
  const rows = `
    SELECT n, to_timestamp(${START / 1_000} + n * ${STEP_MS / 1_000}) AS at,
      overlay(lpad(to_hex(${START} + n * ${STEP_MS}::bigint), 12, '0') || '7' || substr(md5('${client}' || n), 1, 19)
        placing '8' from 17 for 1)::uuid AS id
    FROM generate_series(0, ${ROWS - 1}) AS n`
  await database.run(
    (sql) =>
      sql.unsafe(`
        INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status, response_body,
            created_at, position)
          SELECT '${client}', id, 'order-' || n, sha256('a'), 'user-1', 'book', 1, 201, '{}', at, n + 1 FROM (${rows}) AS r;
        INSERT INTO payments (client, id, scope, idempotency_key, fingerprint, state, attempt, lease_until, sent_at, amount,
            gateway_key, charge_id, response_status, response_body, created_at, settled_at)
          SELECT '${client}', id, 'POST /api/v1/payments', 'payment-' || n, sha256('a'), 'completed', 1, at, at, 1,
            repeat('a', 64), 'ch_1', 200, '{}', at, at FROM (${rows}) AS r;
        INSERT INTO events (client, position, object, type, at)
          SELECT '${client}', n + 1, id, 'payment.completed', at FROM (${rows}) AS r;
        INSERT INTO audit_log (client, seq, at, event_type, entry, hash)
          SELECT '${client}', n + 1, at, 'payment.completed', '{}', sha256('a') FROM (${rows}) AS r;
        WITH made AS (
          INSERT INTO webhook_endpoints (client, id, slot, url, position)
            VALUES ('${client}', gen_random_uuid(), 1, 'https://${client}.example/', 0) RETURNING id)
        INSERT INTO webhook_deliveries (client, endpoint, object, type, position, at, state, ended_at)
          SELECT '${client}', made.id, r.id, 'payment.completed', n + 1, at,
            CASE WHEN n < 3 THEN 'pending' WHEN n < 5 THEN 'failed' ELSE 'delivered' END, CASE WHEN n >= 3 THEN at END
          FROM (${rows}) AS r, made`),
    60_000,
  )
}

describe('a list of a client with many rows reads its page and not the rest', () => {
  const payments =
    (filter: object, state?: PaymentState) =>
    async (at: Database): Promise<number> =>
      (await listPayments(at, 'acme', { limit: LIMIT, ...filter, state })).length
  const orders =
    (filter: object) =>
    async (at: Database): Promise<number> =>
      (await orderStore(at).list('acme', { limit: LIMIT, ...filter })).length
  const events =
    (type: 'payment.completed' | 'payment.declined' | 'order.created') =>
    async (at: Database): Promise<number> =>
      (await readEvents(at, 'acme', { after: undefined, type, limit: LIMIT })).length

  const entries =
    (eventType: string, before?: number) =>
    async (at: Database): Promise<number> =>
      (await auditLog(at).list('acme', { eventType, limit: LIMIT, before })).length

  const deliveries = async (at: Database): Promise<number> => {
    const [counts] = (await countOpenAndFailed(at, 'acme')).values()
    assert.deepEqual(counts, { pending: 3, failed: 2 })
    return 1
  }

  /** How many events are sent again. */
  const replay = (sinceMs: number) => async (at: Database) => {
    const since = new Date(sinceMs)
    await at.run((sql) => sql`UPDATE webhook_endpoints SET position = ${ROWS} WHERE client = 'acme'`)
    const [row] = await at.run((sql) => sql`SELECT id FROM webhook_endpoints WHERE client = 'acme'`)
    await at.run(
      (sql) => sql`SELECT oncekey_webhook_replay('acme', ${String(row?.id)}::uuid, ${since}::timestamptz)`,
    )
    const [end] = await at.run((sql) => sql`SELECT position FROM webhook_endpoints WHERE client = 'acme'`)
    return ROWS - Number(end?.position)
  }

  const LISTS: [what: string, read: (at: Database) => Promise<number>, found: number][] = [
    ['orders before the first', orders({ createdBefore: new Date(START) }), 0],
    ['orders from the end on', orders({ createdAfter: new Date(END) }), 0],
    ['the first three orders', orders({ createdBefore: new Date(START + 3 * STEP_MS) }), 3],
    ['an order by its key', orders({ key: 'order-17' }), 1],
    ['payments before the first', payments({ createdBefore: new Date(START) }), 0],
    ['payments from the end on', payments({ createdAfter: new Date(END) }), 0],
    ['the first three payments', payments({ createdBefore: new Date(START + 3 * STEP_MS) }), 3],
    ['a payment by its key', payments({ key: 'payment-17' }), 1],
    ['a payment by a key that was never used', payments({ key: 'never-used' }), 0],
    ['payments that are unknown', payments({}, 'unknown'), 0],
    ['payments that were declined', payments({}, 'declined'), 0],
    ['payments that are completed', payments({}, 'completed'), LIMIT],
    ['events of declined payments', events('payment.declined'), 0],
    ['events of completed payments', events('payment.completed'), LIMIT],
    ['entries of completed payments', entries('payment.completed'), LIMIT],
    ['entries of the first three completed payments', entries('payment.completed', 4), 3],
    ['entries of declined payments', entries('payment.declined'), 0],
    ['what is to be sent to an endpoint and what has failed', deliveries, 1],
    ['a replay of the last three events', replay(END - 3 * STEP_MS), 3],
    ['events of orders', events('order.created'), LIMIT],
  ]
  for (const [what, read, found] of LISTS) {
    test(what, async (t) => {
      const { watched, executed, close } = await explained(url, database)
      t.after(close)
      // More often than PostgreSQL makes a custom plan: the generic plan must use one partition too.
      for (let n = 0; n < 8; n++) assert.equal(await read(watched), found)
      // A call of a function counts what was read to plan its statements, which are counted by themselves.
      const most = Math.max(...executed.map(({ touched, blocks }) => (touched.length > 0 ? blocks : 0)))
      assert.ok(executed.length >= 8)
      assert.ok(most <= MOST_BLOCKS, `${most} blocks were read`)
    })
  }
})
