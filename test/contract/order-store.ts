import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import type { ListFilter } from '../../internal/core/list-filter.ts'
import type { Placement } from '../../internal/orders/order.ts'
import type { OrderStore } from '../../internal/orders/order-store.ts'

export interface OrderSubject {
  orders: OrderStore
  /** How many orders there are with this key, of all clients. */
  count(key: string): Promise<number>
  close(): Promise<void>
}

export function placement(
  overrides: Partial<Placement['order']> = {},
  fingerprint = 'a'.repeat(64),
): Placement {
  const id = uuidv7()
  return {
    client: 'acme',
    order: {
      id,
      userId: 'user-1',
      item: 'book "ünd" \\ 本',
      amount: '19.9',
      key: randomUUID(),
      createdAt: new Date(),
      ...overrides,
    },
    fingerprint,
    response: { status: 201, body: `{"order":{"id":"${id}","é":1}}` },
  }
}

/** What every order store must keep. */
export function orderStoreContract(name: string, open: () => Promise<OrderSubject>): void {
  describe(name, () => contract(open))
}

function contract(open: () => Promise<OrderSubject>): void {
  let subject: OrderSubject
  let orders: OrderStore
  before(async () => {
    subject = await open()
    orders = subject.orders
  })
  after(() => subject.close())
  const count = (key: string) => subject.count(key)

  test('an order is found as it was placed, by its client only', async () => {
    const placed = placement({ amount: '999999999999999' })
    assert.deepEqual(await orders.place(placed), { outcome: 'created' })
    assert.deepEqual(await orders.find('acme', placed.order.id), placed.order)
    assert.equal(await orders.find('other', placed.order.id), undefined)
  })

  test('a thousand placements under ten keys make ten orders, and every loser gets the response of its winner', async () => {
    const keys = Array.from({ length: 10 }, () => randomUUID())
    const attempts = Array.from({ length: 1_000 }, (_, i) => placement({ key: keys[i % 10] ?? '' }))
    const outcomes = await Promise.all(attempts.map((attempt) => orders.place(attempt)))
    for (const key of keys) {
      assert.equal(await count(key), 1)
      const mine = attempts.flatMap((attempt, i) =>
        attempt.order.key === key ? [{ attempt, placed: outcomes[i] }] : [],
      )
      const winner = mine.find(({ placed }) => placed?.outcome === 'created')?.attempt
      assert.ok(winner)
      for (const { attempt, placed } of mine) {
        if (attempt === winner) continue
        assert.ok(placed?.outcome === 'existing')
        assert.equal(placed.id, winner.order.id)
        assert.equal(placed.response.body.toString(), winner.response.body)
      }
    }
  })

  test('the key of an order refuses another fingerprint', async () => {
    const first = placement()
    await orders.place(first)
    const other = placement({ key: first.order.key }, 'b'.repeat(64))
    assert.deepEqual(await orders.place(other), { outcome: 'mismatch', fingerprint: first.fingerprint })
    assert.equal(await count(first.order.key), 1)
  })

  test('placing the very same placement again says that it is created: its response was lost, not the order', async () => {
    const first = placement()
    assert.deepEqual(await orders.place(first), { outcome: 'created' })
    assert.deepEqual(await orders.place(first), { outcome: 'created' })
    assert.equal(await count(first.order.key), 1)
  })

  test('two clients use one key for an order each', async () => {
    const mine = placement()
    const theirs = { ...placement({ key: mine.order.key }), client: 'other' }
    assert.deepEqual(await orders.place(mine), { outcome: 'created' })
    assert.deepEqual(await orders.place(theirs), { outcome: 'created' })
  })

  test('an order that the database refuses does not take its neighbours with it', async () => {
    const good: Placement[] = Array.from({ length: 20 }, () => placement())
    const bad = placement({ amount: '0' })
    const all = [...good.slice(0, 10), bad, ...good.slice(10)]
    const results = await Promise.allSettled(all.map((one) => orders.place(one)))
    assert.deepEqual(
      results.map((result) => (result.status === 'fulfilled' ? result.value.outcome : 'refused')),
      all.map((one) => (one === bad ? 'refused' : 'created')),
    )
    assert.equal(await count(bad.order.key), 0)
  })

  test('pages are newest first, without gap or repeat, while new orders come in', async () => {
    const client = `pages-${randomBytes(4).toString('hex')}`
    const ids: string[] = []
    for (let i = 0; i < 7; i++) {
      const one = { ...placement({ id: uuidv7({ msecs: 1_000 + i }) }), client }
      await orders.place(one)
      ids.unshift(one.order.id)
    }
    const first = await orders.list(client, { limit: 3, before: undefined })
    await orders.place({ ...placement({ id: uuidv7({ msecs: 9_000 }) }), client })
    const second = await orders.list(client, { limit: 3, before: first.at(-1)?.id })
    const third = await orders.list(client, { limit: 3, before: second.at(-1)?.id })
    assert.deepEqual(
      [...first, ...second, ...third].map((order) => order.id),
      ids,
    )
  })

  test('a list is filtered by key and by time, and shows no orders of others', async () => {
    const client = `filters-${randomBytes(4).toString('hex')}`
    const placed: Placement[] = []
    for (let i = 0; i < 3; i++) {
      const made = placement({ id: uuidv7({ msecs: 1_000 * i }), createdAt: new Date(1_000 * i) })
      placed.push({ ...made, client })
      await orders.place({ ...made, client })
    }
    const [first, second, third] = placed.map(({ order }) => order)
    assert.ok(first !== undefined && second !== undefined && third !== undefined)
    const idsOf = async (filter: Partial<ListFilter>, of = client) =>
      (await orders.list(of, { limit: 10, ...filter })).map(({ id }) => id)
    assert.deepEqual(await idsOf({ key: second.key }), [second.id])
    assert.deepEqual(await idsOf({ key: second.key }, 'another'), [])
    assert.deepEqual(await idsOf({ key: 'never-used' }), [])
    assert.deepEqual(await idsOf({ createdAfter: new Date(1_000) }), [third.id, second.id])
    assert.deepEqual(await idsOf({ createdBefore: new Date(1_000) }), [first.id])
    assert.deepEqual(await idsOf({ createdAfter: new Date(1_000), createdBefore: new Date(2_000) }), [
      second.id,
    ])
    assert.deepEqual(await idsOf({ key: second.key, createdBefore: new Date(1_000) }), [])
  })
}
