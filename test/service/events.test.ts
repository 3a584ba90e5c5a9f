import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { Event } from '../../src/client.ts'
import { createClient } from '../../src/client.ts'
import { assertProblem, one } from '../support/raw-http.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'

const world = await startServiceOnDatabase({
  API_KEYS: 'ann:key-of-ann-0001,bob:key-of-bob-0001,default:key-of-default',
  RATE_LIMITS: 'none',
})
after(() => world.close())
const baseUrl = world.service.url
const orders = createClient({ baseUrl, secret: 'super-secret-key' }).orders
const own = createClient({ baseUrl, apiKey: 'key-of-default' })
const ann = createClient({ baseUrl, apiKey: 'key-of-ann-0001' })
const PAYMENT = { amount: '19.90', currency: 'EUR', payment_method: 'card-4242424242424242' }

const uuidOf = (eventId: string) =>
  eventId.replace(/^evt_(.{8})(.{4})(.{4})(.{4})(.{12})_.*$/, '$1-$2-$3-$4-$5')

const get = (query: string, apiKey = 'key-of-default') =>
  one(world.port, `GET /api/v1/events${query} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${apiKey}\r\n\r\n`)

describe('GET /api/v1/events', () => {
  test('shows each order and payment as its GET route does, oldest first, and goes on from a kept cursor', async () => {
    const none = await own.events.page()
    assert.deepEqual([none.events, none.nextCursor, none.hasMore], [[], null, false])
    const placed = []
    for (let n = 1; n <= 5; n++)
      placed.push((await orders.create({ user_id: 'user-1', item: 'bücher', amount: n })).order)
    const paid = (await own.payments.create(PAYMENT)).payment
    const declined = (await own.payments.create({ ...PAYMENT, payment_method: 'card-declined' })).payment
    await ann.payments.create(PAYMENT)
    const events = await eventsOf(own, 7)
    assert.deepEqual(
      events.map(({ type, client, data }) => ({ type, client, data })),
      [
        ...placed.map((order) => ({ type: 'order.created', client: 'default', data: { order } })),
        { type: 'payment.completed', client: 'default', data: { payment: paid } },
        { type: 'payment.declined', client: 'default', data: { payment: declined } },
      ],
    )
    assert.equal(new Set(events.map(({ id }) => id)).size, 7)
    assert.equal(events[0]?.timestamp, placed[0]?.created_at)
    // Page by page, with the same bytes.
    const seen: unknown[] = []
    let cursor: string | null = null
    for await (const page of own.events.list({ limit: 3 }).pages()) {
      seen.push(...page.events)
      cursor = page.nextCursor
    }
    assert.deepEqual(seen, events)
    const kept = cursor ?? assert.fail('the last page has no cursor')
    assert.deepEqual((await own.events.page({ cursor: kept })).nextCursor, kept)
    const later = (await orders.create({ user_id: 'user-1', item: 'pen', amount: 6 })).order
    await until('the later event', async () => (await own.events.page({ cursor: kept })).events.length === 1)
    assert.deepEqual((await own.events.page({ cursor: kept })).events[0]?.data, { order: later })
    const now = await own.events.page({ cursor: 'now' })
    assert.deepEqual([now.events, now.hasMore], [[], false])
    const completed = await own.events.page({ type: 'payment.completed' })
    assert.deepEqual(completed.events, [events[5]])
  })

  test('leaves out what is about an order or a payment that was deleted', async () => {
    const { events, nextCursor } = await own.events.page({ limit: 100 })
    const [order, payment] = [events[0], events[5]].map((event) => uuidOf(event?.id ?? ''))
    await world.execute(
      `DELETE FROM orders WHERE id = '${order}'; DELETE FROM payments WHERE id = '${payment}'`,
    )
    const left = await own.events.page({ limit: 100 })
    assert.deepEqual(
      left.events,
      events.filter((_, n) => n !== 0 && n !== 5),
    )
    assert.equal(left.nextCursor, nextCursor)
    const first = await own.events.page({ type: 'payment.completed' })
    assert.deepEqual([first.events, first.hasMore], [[], false])
    assert.notEqual(first.nextCursor, null)
  })

  test("another client sees its own events only, and another client's cursor is refused", async () => {
    const [event] = await eventsOf(ann, 1)
    assert.equal(event?.client, 'ann')
    const { nextCursor } = await own.events.page({ limit: 2 })
    assertProblem(await get(`?cursor=${nextCursor}`, 'key-of-ann-0001'), 400, 'invalid_request')
    assert.equal((await get(`?cursor=${nextCursor}`)).status, 200)
  })

  test('what is no cursor, type, limit or parameter of it is refused', async () => {
    const { nextCursor } = await own.events.page({ limit: 1 })
    const cursor = nextCursor ?? assert.fail()
    const changed = cursor.replace(/^(\d+)/, (position) => `${BigInt(position) + 1n}`)
    for (const query of [
      'cursor=',
      'cursor=1',
      `cursor=${changed}`,
      `cursor=${cursor}0`,
      `cursor=${cursor.toUpperCase()}`,
      `cursor=${cursor}&cursor=${cursor}`,
      'type=',
      'type=order.deleted',
      'type=order.created&type=payment.unknown',
      'limit=0',
      'limit=101',
      'before=1',
    ]) {
      assertProblem(await get(`?${query}`), 400, 'invalid_request')
    }
    assertProblem(await get('', 'wrong'), 401, 'api_key_invalid')
  })
})

async function eventsOf(client: typeof own, count: number): Promise<Event[]> {
  const all: Event[] = []
  await until(`${count} events`, async () => {
    all.length = 0
    for await (const event of client.events.list()) all.push(event)
    return all.length >= count
  })
  assert.equal(all.length, count)
  return all
}
