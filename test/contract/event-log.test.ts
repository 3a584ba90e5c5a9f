import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import postgres from 'postgres'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { partitionByClient } from '../../internal/database/partition.ts'
import { type Event, type EventPlace, eventId } from '../../internal/events/event.ts'
import { readEvents, resumeEvents } from '../../internal/events/event-log.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import { paymentStore } from '../../internal/payments/payment-store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { KINDS, migratedDatabase, type OpenedDatabase, openMigrated } from '../support/migrated-database.ts'
import { onCitus } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { placement } from './order-store.ts'
import { beginning, ref, SETTLE_MS, settlement } from './payment-store.ts'

const stores: [string, () => Promise<OpenedDatabase>][] = KINDS.map((kind) => [
  `the ${kind} database`,
  () => openMigrated(kind),
])
if (!onCitus) {
  stores.push([
    'partitions by client',
    async () => {
      const opened = await openMigrated('server')
      await partitionByClient(opened.database, SQL_DIRECTORY, 3)
      return opened
    },
  ])
}

for (const [name, open] of stores) {
  describe(`events in ${name}`, () => {
    let opened: OpenedDatabase
    let database: Database
    before(async () => {
      opened = await open()
      database = opened.database
    })
    after(() => opened.close())

    test('each order has one event, in the order in which they were placed, however often it is asked for', async () => {
      const client = `client-${randomUUID().slice(0, 8)}`
      const orders = orderStore(database)
      const first = ofClient(client)
      await orders.place(first)
      assert.equal((await orders.place(first)).outcome, 'created')
      const others = Array.from({ length: 20 }, () => ofClient(client))
      await Promise.all(others.map((one) => orders.place(one)))
      const other = ofClient(client)
      await orders.place(other)
      assert.equal((await orders.place(ofClient(client, { key: other.order.key }))).outcome, 'existing')
      const events = await settledEvents(database, client, 22)
      assert.deepEqual(new Set(events.map(({ type }) => type)), new Set(['order.created']))
      const ids = events.map(({ object }) => object)
      assert.deepEqual([ids[0], ids.at(-1)], [first.order.id, other.order.id])
      assert.deepEqual(ids.toSorted(), [first, ...others, other].map(({ order }) => order.id).toSorted())
      assert.deepEqual(events[0]?.at, first.order.createdAt)
    })

    test('pages meet without gap or repeat, also within the orders of one statement', async () => {
      const client = `client-${randomUUID().slice(0, 8)}`
      const orders = orderStore(database)
      await Promise.all(Array.from({ length: 25 }, () => orders.place(ofClient(client))))
      const all = await settledEvents(database, client, 25)
      for (const limit of [1, 7]) {
        const seen: string[] = []
        let place: EventPlace | undefined
        for (;;) {
          const page = await readEvents(database, client, { after: place, type: undefined, limit })
          seen.push(...page.map(eventId))
          place = page.at(-1)
          if (place === undefined) break
        }
        assert.deepEqual(seen, all.map(eventId))
      }
    })

    test('a payment has an event for each state that it ends in, and one when it becomes unknown', async () => {
      const client = `client-${randomUUID().slice(0, 8)}`
      const store = paymentStore(database, { settleMs: SETTLE_MS })
      const paid = beginning({ client })
      await store.begin(paid)
      await store.settle(ref(paid), settlement())
      assert.ok(await store.settle(ref(paid), settlement()), 'the same call again')
      const declined = beginning({ client })
      await store.begin(declined)
      await store.settle(ref(declined), settlement({ state: 'declined', chargeId: undefined }))
      const open = beginning({ client })
      await store.begin(open)
      const leaving = {
        state: 'unknown',
        checkMs: 1,
        by: 'completer',
        reason: 'no response for a day',
      } as const
      await store.leaveOpen(ref(open), { ...leaving, state: 'processing' })
      await store.leaveOpen(ref(open), leaving)
      await store.leaveOpen(ref(open), leaving)
      await store.settle(ref(open), settlement({ event: 'payment.recovered', by: 'completer' }))
      const abandoned = beginning({ client })
      await store.begin(abandoned)
      await store.abandon(ref(abandoned), 'unsent')
      const events = await settledEvents(database, client, 4)
      assert.deepEqual(
        events.map(({ type, object }) => [type, object]),
        [
          ['payment.completed', paid.payment.id],
          ['payment.declined', declined.payment.id],
          ['payment.unknown', open.payment.id],
          ['payment.completed', open.payment.id],
        ],
      )
      const unknown = await readEvents(database, client, {
        after: undefined,
        type: 'payment.unknown',
        limit: 9,
      })
      assert.deepEqual(unknown, [events[2]])
    })
  })
}

describe('what is committed late', () => {
  test('an order or payment whose transaction stays open holds back the events behind it, and no reader misses it', async (t) => {
    const { url, database } = await migratedDatabase(t)
    const other = postgres(url, { max: 1 })
    t.after(() => other.end())
    const orders = orderStore(database)
    const early = ofClient('acme')
    await orders.place(early)
    await settledEvents(database, 'acme', 1)
    const payment = beginning({ client: 'acme' })
    await paymentStore(database, { settleMs: SETTLE_MS }).begin(payment)
    const held = ofClient('acme')
    const behind = ofClient('acme')
    let seen: Event[] = []
    await other.begin(async (sql) => {
      await sql`
        INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status, response_body,
          created_at)
        VALUES ('acme', ${held.order.id}, ${held.order.key}, sha256(''), 'u', 'i', 1, 201, '', now())`
      await sql`
        SELECT oncekey_payment_settle('acme', ${payment.payment.id}, 1, 'completed', 'ch_1', 200::smallint, '', 'payment.completed',
          NULL, NULL, NULL)`
      await orders.place(behind)
      seen = await readEvents(database, 'acme', { after: undefined, type: undefined, limit: 100 })
    })
    // Citus places events when they are read: nothing holds back what is committed.
    const committed = onCitus ? [behind.order.id] : []
    assert.deepEqual(
      seen.map(({ object }) => object),
      [early.order.id, ...committed],
    )
    const rest = await settledEvents(database, 'acme', 3 - committed.length, seen.at(-1))
    const late = [held.order.id, payment.payment.id]
    assert.deepEqual(
      rest.map(({ object }) => object),
      onCitus ? late : [...late.toSorted(), behind.order.id],
    )
  })

  test('what is rolled back has no event', async (t) => {
    const { url, database } = await migratedDatabase(t)
    const own = postgres(url, { max: 1 })
    t.after(() => own.end())
    const payment = beginning({ client: 'acme' })
    await paymentStore(database, { settleMs: SETTLE_MS }).begin(payment)
    await assert.rejects(
      own.begin(async (sql) => {
        await sql`
          SELECT oncekey_payment_settle('acme', ${payment.payment.id}, 1, 'completed', 'ch_1', 200::smallint, '', 'payment.completed',
            NULL, NULL, NULL)`
        await sql`SELECT 1/0`
      }),
    )
    const kept = ofClient('acme')
    await orderStore(database).place(kept)
    const events = await settledEvents(database, 'acme', 1)
    assert.deepEqual(
      events.map(({ object }) => object),
      [kept.order.id],
    )
  })

  // Places are counted there, and go on by themselves.
  if (onCitus) return
  test('after a restore, where the numbers of transactions begin again, events go on behind the last one', async (t) => {
    const { url, database } = await migratedDatabase(t)
    assert.equal(await resumeEvents(database), false)
    const before = ofClient('acme')
    await orderStore(database).place(before)
    // As a dump of a server with higher numbers leaves it.
    await database.run((sql) => sql`UPDATE orders SET position = position + 1000000`)
    await database.run((sql) => sql`UPDATE events_shift SET origin = 'another server'`)
    assert.equal(await resumeEvents(database), true)
    assert.equal(await resumeEvents(database), false)
    const again = openDatabase(url)
    t.after(() => again.close())
    const behind = ofClient('acme')
    await orderStore(again).place(behind)
    const payment = beginning({ client: 'acme' })
    await paymentStore(again, { settleMs: SETTLE_MS }).begin(payment)
    await paymentStore(again, { settleMs: SETTLE_MS }).settle(ref(payment), settlement())
    const events = await settledEvents(again, 'acme', 3)
    assert.deepEqual(
      events.map(({ object }) => object),
      [before.order.id, behind.order.id, payment.payment.id],
    )
  })
})

function ofClient(client: string, overrides: Parameters<typeof placement>[0] = {}) {
  return { ...placement(overrides), client }
}

/** As soon as there are so many: transactions of other tests on the same server hold them back for a moment. */
async function settledEvents(
  database: Database,
  client: string,
  count: number,
  after?: EventPlace,
): Promise<Event[]> {
  const read = () => readEvents(database, client, { after, type: undefined, limit: 1_000 })
  await until(`${count} events of ${client}`, async () => (await read()).length >= count)
  const events = await read()
  assert.equal(events.length, count)
  return events
}
