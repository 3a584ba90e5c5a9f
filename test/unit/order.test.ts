import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Order, orderJson } from '../../internal/orders/order.ts'

test('an order is printed as the contract shows it', () => {
  const order: Order = {
    id: '0198c1c8-0000-7000-8000-000000000000',
    userId: 'user-1',
    item: 'book',
    amount: '500',
    key: 'key-001',
    createdAt: new Date('2026-03-22T12:37:20.000Z'),
  }
  assert.equal(
    orderJson(order),
    '{"id":"0198c1c8-0000-7000-8000-000000000000","user_id":"user-1","item":"book","amount":500,' +
      '"idempotency_key":"key-001","created_at":"2026-03-22T12:37:20.000Z"}',
  )
})

test('an order of any strings parses back to the same, its amount digit for digit', () => {
  const text = fc.string({ unit: 'binary' })
  const cents = fc.bigInt({ min: 1n, max: 999_999_999_999_999n })
  const createdAt = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-01-01') })
  fc.assert(
    fc.property(text, text, text, text, cents, createdAt, (id, userId, item, key, count, at) => {
      const digits = String(count).padStart(3, '0')
      const amount = `${digits.slice(0, -2)}.${digits.slice(-2)}`
      const json = orderJson({ id, userId, item, amount, key, createdAt: at })
      assert.deepEqual(JSON.parse(json), {
        id,
        user_id: userId,
        item,
        amount: Number(amount),
        idempotency_key: key,
        created_at: at.toISOString(),
      })
      assert.ok(json.includes(`"amount":${amount},`))
    }),
    { numRuns: 1_000 },
  )
})
