import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { assertProblem, one, type RawResponse } from '../support/raw-http.ts'
import { GOOD_BODY, newKey, signedGet, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const directory = mkdtempSync(join(tmpdir(), 'oncekey-orders-'))
const CLIENTS_FILE = join(directory, 'clients.json')
const ACME = { client: 'acme', secret: 'the secret of acme' }
writeFileSync(CLIENTS_FILE, JSON.stringify({ acme: { secrets: [ACME.secret] } }))
const world = await startServiceOnDatabase({ RATE_LIMITS: 'none', CLIENTS_FILE })
const { port } = world
after(async () => {
  await world.close()
  rmSync(directory, { recursive: true })
})

const order = z.strictObject({
  id: z.string(),
  user_id: z.string(),
  item: z.string(),
  amount: z.number(),
  idempotency_key: z.string(),
  created_at: z.iso.datetime(),
})
const page = z.strictObject({ orders: z.array(order), next_cursor: z.string().nullable() })

/** Returns its id. */
async function place(amount: number): Promise<string> {
  const response = await one(
    port,
    signedOrder({ key: newKey(), body: GOOD_BODY.replace('500', String(amount)) }),
  )
  assert.equal(response.status, 201, response.body)
  return z.strictObject({ order }).parse(JSON.parse(response.body)).order.id
}

const get = (target: string, as = {}): Promise<RawResponse> => one(port, signedGet(target, as))

async function getPage(target: string, as = {}) {
  const response = await get(target, as)
  assert.equal(response.status, 200, response.body)
  assert.equal(response.header('content-type'), 'application/json; charset=utf-8')
  return page.parse(JSON.parse(response.body))
}

/** Oldest first. */
const ids: string[] = []
before(async () => {
  for (let n = 1; n <= 25; n++) ids.push(await place(n))
})

describe('GET /orders', () => {
  test('pages through 25 orders, newest first, without gap or repeat while new ones come in', async () => {
    const seen: string[] = []
    const sizes: number[] = []
    const later: string[] = []
    let target = '/orders?limit=10'
    for (;;) {
      const { orders, next_cursor } = await getPage(target)
      sizes.push(orders.length)
      seen.push(...orders.map(({ id }) => id))
      for (let n = 0; n < 3; n++) later.push(await place(1_000))
      if (next_cursor === null) break
      target = `/orders?limit=10&cursor=${next_cursor}`
    }
    assert.deepEqual(sizes, [10, 10, 5])
    assert.deepEqual(seen, ids.toReversed())
    const { orders } = await getPage('/orders?limit=9')
    assert.deepEqual(
      orders.map(({ id }) => id),
      later.toReversed(),
    )
    ids.push(...later)
  })

  test('is cut into 20 by itself; a page that is just full has no next one', async () => {
    const first = await getPage('/orders')
    assert.equal(first.orders.length, 20)
    const rest = ids.length - 20
    const last = await getPage(`/orders?limit=${rest}&cursor=${first.next_cursor}`)
    assert.equal(last.orders.length, rest)
    assert.equal(last.next_cursor, null)
    assert.equal((await getPage('/orders?limit=100')).orders.length, ids.length)
  })

  test('orders that are placed at once are each on one page', async () => {
    ids.push(...(await Promise.all(Array.from({ length: 40 }, () => place(7)))))
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const next = await getPage(`/orders?limit=7${cursor === null ? '' : `&cursor=${cursor}`}`)
      seen.push(...next.orders.map(({ id }) => id))
      cursor = next.next_cursor
    } while (cursor !== null)
    assert.equal(new Set(seen).size, seen.length)
    assert.deepEqual([...seen].sort(), [...ids].sort())
  })

  test('beyond the last order there is an empty page', async () => {
    assert.deepEqual(await getPage(`/orders?cursor=${ids[0]}`), { orders: [], next_cursor: null })
  })

  for (const query of [
    ...['limit=0', 'limit=101', 'limit=-1', 'limit=1.5', 'limit=1e1', 'limit=ten', 'limit=', 'limit=%31%00'],
    ...['limit=10&limit=20', 'limit=99999999999999999999', 'limit=+5', 'limit=010', 'limit=%EF%BC%95'],
    ...['cursor=', 'cursor=1', 'cursor=null', "cursor=' OR 1=1 --", 'cursor=%00', 'cursor=%ff'].map((one) =>
      one.replaceAll(' ', '+'),
    ),
    `cursor=${randomUUID()}&cursor=${randomUUID()}`,
    `cursor=${randomUUID()}0`,
  ]) {
    test(`${query} is 400 invalid_request`, async () => {
      assertProblem(await get(`/orders?${query}`), 400, 'invalid_request')
    })
  }

  test('shows nobody the orders of another client, whatever the cursor', async () => {
    assert.deepEqual(await getPage('/orders', ACME), { orders: [], next_cursor: null })
    assert.deepEqual(await getPage(`/orders?cursor=${ids.at(-1)}`, ACME), { orders: [], next_cursor: null })
  })
})

describe('GET /orders/:id', () => {
  test('is the order as POST returned it, byte for byte, at its Location', async () => {
    for (const [amount, item] of [
      ['500', 'book'],
      ['"19.90"', 'Käse \\u0026 “quotes” \\"'],
      ['999999999999999', 'a'],
      ['9999999999999.99', '\\ud83d\\ude00'],
      ['1e-2', '  '],
    ] as const) {
      const body = GOOD_BODY.replace('500', amount).replace('book', item)
      const placed = await one(port, signedOrder({ body }))
      assert.equal(placed.status, 201, placed.body)
      const found = await get(placed.header('location'))
      assert.equal(found.status, 200)
      assert.equal(found.body, placed.body)
      assert.equal(found.header('content-type'), placed.header('content-type'))
      const list = await get('/orders?limit=1')
      assert.ok(list.body.startsWith(`{"orders":[${placed.body.slice('{"order":'.length, -1)}]`), list.body)
    }
  })

  test('is 404 for an order of another client, as for one that does not exist', async () => {
    assertProblem(await get(`/orders/${ids[0]}`, ACME), 404, 'not_found')
    const [others, nobodys] = await Promise.all(
      [ids[0], randomUUID()].map((id) => get(`/orders/${id}`, { ...ACME, headers: ['X-Request-Id: same'] })),
    )
    assert.equal(others?.body, nobodys?.body)
  })

  test('is 404 for what is no id', async () => {
    for (const id of ['1', 'null', '__proto__', `${ids[0]}0`, `${ids[0]}%00`, '%27', 'a'.repeat(5_000)]) {
      assertProblem(await get(`/orders/${id}`), 404, 'not_found')
    }
  })

  test('finds an id in upper case', async () => {
    assert.equal((await get(`/orders/${ids[0]?.toUpperCase()}`)).status, 200)
  })
})

describe('GET /orders?idempotency_key=', () => {
  test('has the order of the key, and none for a key that was not used', async () => {
    const key = newKey()
    assert.deepEqual(await getPage(`/orders?idempotency_key=${key}`), { orders: [], next_cursor: null })
    const placed = await one(port, signedOrder({ key }))
    assert.equal(placed.status, 201)
    const { orders, next_cursor } = await getPage(`/orders?idempotency_key=${key}`)
    assert.deepEqual([orders, next_cursor], [[JSON.parse(placed.body).order], null])
    assert.deepEqual((await getPage(`/orders?idempotency_key=${key}`, ACME)).orders, [])
    const spaced = await one(port, signedOrder({ key: '"a key, of mine"' }))
    assert.equal(spaced.status, 201)
    assert.equal((await getPage('/orders?idempotency_key=a%20key,+of+mine')).orders.length, 1)
  })

  test('and created_after, created_before', async () => {
    const key = newKey()
    const { created_at } = JSON.parse((await one(port, signedOrder({ key }))).body).order
    const at = encodeURIComponent(created_at)
    const length = async (filter: string) =>
      (await getPage(`/orders?idempotency_key=${key}&${filter}`)).orders.length
    assert.equal(await length(`created_after=${at}`), 1)
    assert.equal(await length(`created_before=${at}`), 0)
    assert.equal(await length('created_before=2100-01-01T00:00:00%2B02:00'), 1)
    assert.equal(await length('created_after=2100-01-01T00:00:00Z'), 0)
  })

  for (const query of [
    'idempotency_key=',
    'idempotency_key=%C3%A9',
    `idempotency_key=${'k'.repeat(256)}`,
    'idempotency_key=a&idempotency_key=b',
    'created_after=yesterday',
    'created_after=2026-02-30T00:00:00Z',
    'created_before=2026-01-01',
    'created_before=',
  ]) {
    test(`${query.slice(0, 40)} is refused, naming the parameter`, async () => {
      const { detail } = assertProblem(await get(`/orders?${query}`), 400, 'invalid_request')
      assert.ok(detail?.startsWith(String(query.split('=')[0])), detail)
    })
  }
})
