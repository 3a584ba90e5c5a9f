import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pauseMs } from '../../internal/payments/completer.ts'
import {
  gatewayKeyOf,
  maskPaymentMethod,
  PAYMENT_SCOPES,
  type Payment,
  paymentJson,
} from '../../internal/payments/payment.ts'
import { ROUTES, scopeOf } from '../../src/service/routes.ts'

test('the last 4 characters of a payment method are shown, and nothing of a short one', () => {
  for (const [method, masked] of [
    ['4111111111111111', '****1111'],
    ['12345678', '****5678'],
    ['1234567', '****'],
    ['1234', '****'],
    ['x', '****'],
    ['pm_😀😀😀😀😀', '****😀😀😀😀'],
    ['😀😀😀😀😀😀😀', '****'],
  ] as const) {
    assert.equal(maskPaymentMethod(method), masked)
  }
})

test('the key at the gateway differs for each client, route and key', () => {
  const key = gatewayKeyOf('acme', 'POST /api/v1/payments', 'key-1')
  assert.match(key, /^[0-9a-f]{64}$/)
  assert.equal(gatewayKeyOf('acme', 'POST /api/v1/payments', 'key-1'), key)
  for (const other of [
    gatewayKeyOf('other', 'POST /api/v1/payments', 'key-1'),
    gatewayKeyOf('acme', 'POST /pay', 'key-1'),
    gatewayKeyOf('acme', 'POST /api/v1/payments', 'key-2'),
  ]) {
    assert.notEqual(other, key)
  }
})

test('the routes whose keys payments are looked up by are those that make payments', () => {
  const routes = ROUTES.filter(({ isPayment, key }) => isPayment && key !== undefined).map(scopeOf)
  assert.deepEqual([...PAYMENT_SCOPES].sort(), routes.sort())
})

const PAYMENT: Payment = {
  client: 'acme',
  id: '019b76da-a800-7c3e-8f6e-5d1d2b0a9c12',
  scope: 'POST /api/v1/payments',
  key: 'key-0123456789abcdef',
  state: 'completed',
  amount: '9999999999999.99',
  currency: 'EUR',
  userId: undefined,
  description: 'a "b"',
  paymentMethod: '****4242',
  metadata: '{"a":"b"}',
  gatewayKey: 'f'.repeat(64),
  createdAt: new Date('2026-01-01T00:00:00Z'),
}

test('a payment is shown with its exact amount and without what it does not have', () => {
  assert.equal(
    paymentJson(PAYMENT),
    '{"payment":{"transaction_id":"019b76da-a800-7c3e-8f6e-5d1d2b0a9c12","status":"completed",' +
      '"amount":9999999999999.99,"currency":"EUR","description":"a \\"b\\"","payment_method":"****4242",' +
      '"metadata":{"a":"b"},"created_at":"2026-01-01T00:00:00.000Z"}}',
  )
  const bare = {
    ...PAYMENT,
    currency: undefined,
    description: undefined,
    paymentMethod: undefined,
    metadata: undefined,
  }
  assert.deepEqual(Object.keys(JSON.parse(paymentJson(bare)).payment), [
    ...['transaction_id', 'status', 'amount', 'created_at'],
  ])
})

test('the pause between two lookups grows from one second to ten minutes', () => {
  for (let checks = 1; checks < 100; checks++) {
    assert.equal(pauseMs(checks, 0), 1_000)
    assert.ok(pauseMs(checks, 0.999_999) <= 600_000)
    assert.ok(pauseMs(checks, 0.5) >= pauseMs(checks - 1, 0.5))
  }
  assert.ok(pauseMs(1, 0.999) < 2_000)
  assert.ok(pauseMs(50, 0.999) > 590_000)
})
