import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import type { OrderStore, Placement } from '../../internal/orders/order-store.ts'

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
    answer: { status: 201, body: `{"order":{"id":"${id}","é":1}}` },
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

  test('a thousand placements under ten keys make ten orders, and every loser gets the answer of its winner', async () => {
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
        assert.equal(placed.answer.body.toString(), winner.answer.body)
      }
    }
  })

  test('the key of an order refuses another fingerprint', async () => {
    const first = placement()
    await orders.place(first)
    const other = placement({ key: first.order.key }, 'b'.repeat(64))
    assert.deepEqual(await orders.place(other), { outcome: 'mismatch' })
    assert.equal(await count(first.order.key), 1)
  })

  test('placing the very same placement again says that it is created: its answer was lost, not the order', async () => {
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
    const first = await orders.list(client, 3, undefined)
    await orders.place({ ...placement({ id: uuidv7({ msecs: 9_000 }) }), client })
    const second = await orders.list(client, 3, first.at(-1)?.id)
    const third = await orders.list(client, 3, second.at(-1)?.id)
    assert.deepEqual(
      [...first, ...second, ...third].map((order) => order.id),
      ids,
    )
  })
}
