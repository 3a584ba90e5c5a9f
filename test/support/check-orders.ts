import assert from 'node:assert/strict'
import { z } from 'zod'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import type { Sent } from './order-load.ts'

const orderRow = z.object({
  id: z.string(),
  client: z.string(),
  idempotency_key: z.string(),
  user_id: z.string(),
  item: z.string(),
  amount: z.string(),
  response_body: z.instanceof(Buffer),
})
export type OrderRow = z.infer<typeof orderRow>

const response = z.object({
  order: z.object({
    id: z.string(),
    user_id: z.string(),
    item: z.string(),
    amount: z.number(),
    idempotency_key: z.string(),
    created_at: z.string(),
  }),
})

/** What is in the table, read without the service. */
export async function readOrders(database: Database): Promise<OrderRow[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT id, client, idempotency_key, user_id, item, trim_scale(amount)::text AS amount, response_body
      FROM orders`,
    30_000,
  )
  return rows.map((row) => orderRow.parse(row))
}

export async function readOrdersAt(url: string): Promise<OrderRow[]> {
  const database = openDatabase(url)
  try {
    return await readOrders(database)
  } finally {
    await database.close()
  }
}

/** Of the rows those of these requests: a run may share its database with others. */
export function rowsOf(rows: readonly OrderRow[], history: readonly Sent[]): OrderRow[] {
  const keys = new Set(history.map(({ key }) => key))
  return rows.filter((row) => keys.has(row.idempotency_key))
}

/**
 * The promise, against what the database holds: each key has exactly one order, with the values that were sent,
 * no other order is there, and every response that a client ever got for a key is that order, byte for byte.
 */
export function checkOrders(rows: readonly OrderRow[], history: readonly Sent[]): void {
  const byKey = new Map<string, OrderRow>()
  for (const row of rows) {
    const key = `${row.client} ${row.idempotency_key}`
    assert.ok(!byKey.has(key), `${key} has two orders`)
    byKey.set(key, row)
  }
  for (const sent of history) {
    const row = byKey.get(`default ${sent.key}`)
    byKey.delete(`default ${sent.key}`)
    assert.ok(sent.finals.length > 0, `nobody got a response for ${sent.key}`)
    assert.ok(row, `${sent.key} was acknowledged and has no order`)
    const stored = { user_id: row.user_id, item: row.item, amount: Number(row.amount) }
    assert.deepEqual(stored, sent.fields, `the order of ${sent.key} is another one`)
    const { order } = response.parse(JSON.parse(row.response_body.toString()))
    const { created_at, ...told } = order
    assert.deepEqual(told, { ...sent.fields, id: row.id, idempotency_key: sent.key })
    for (const { status, headers, body } of sent.finals) {
      assert.equal(status, 201)
      assert.equal(body.toString(), row.response_body.toString(), `two responses for ${sent.key}`)
      assert.equal(headers.location, `/orders/${row.id}`)
      assert.equal(headers['content-type'], 'application/json; charset=utf-8')
    }
    const first = sent.finals.filter(({ headers }) => headers['idempotent-replayed'] === undefined)
    assert.ok(first.length <= 1, `${sent.key} was executed ${first.length} times`)
  }
  assert.deepEqual([...byKey.keys()], [], 'there are orders that nobody sent')
}
