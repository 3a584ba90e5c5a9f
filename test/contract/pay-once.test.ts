import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { ServiceError } from '../../internal/core/service-error.ts'
import type { ChargeResult, FindResult } from '../../internal/payments/gateway.ts'
import { guardedGateway } from '../../internal/payments/guarded-gateway.ts'
import { type PaymentIntent, payOnce } from '../../internal/payments/pay-once.ts'
import { paymentResponse } from '../../internal/payments/payments.ts'
import { readKey } from '../../internal/payments/read-payments.ts'
import { openMigrated } from '../support/migrated-database.ts'
import { SCOPE, SETTLE_MS } from './payment-store.ts'
import { paymentsIn } from './payments-in.ts'

const opened = await openMigrated('server')
const { database } = opened
const subject = paymentsIn(database, opened.close)
after(() => subject.close())

test('a payment that was unknown stays so over another charge without a response, and has one event of it', async (t) => {
  const silent: ChargeResult & FindResult = { outcome: 'timeout', cause: new Error('no response') }
  let charge: ChargeResult = silent
  let charges = 0
  const gateway = guardedGateway({
    async charge() {
      charges++
      return charge
    },
    find: async () => ({ outcome: 'none' }),
    close() {},
  })
  t.after(() => gateway.close())
  const pay = payOnce({
    store: subject.store,
    readKey: (of) => readKey(database, of),
    gateway,
    response: paymentResponse,
    now: Date.now,
  })
  const intent: PaymentIntent = {
    client: 'acme',
    scope: SCOPE,
    key: randomUUID(),
    fingerprint: 'a'.repeat(64),
    requestId: undefined,
    amount: '19.9',
    currency: 'EUR',
    userId: undefined,
    description: undefined,
    paymentMethod: 'tok_visa_4242',
    metadata: undefined,
  }
  const code = (error: unknown) => error instanceof ServiceError && error.code === 'backend_timeout'
  const row = async () => {
    const [found] = await database.run(
      (sql) => sql`SELECT id, attempt, state FROM payments WHERE idempotency_key = ${intent.key}`,
    )
    return { id: String(found?.id), attempt: Number(found?.attempt), state: String(found?.state) }
  }
  const silentForADay = async () => {
    const { id, attempt } = await row()
    const one = { client: 'acme', id, attempt, requestId: undefined }
    assert.ok(
      await subject.store.leaveOpen(one, { state: 'unknown', checkMs: 1, by: 'completer', reason: 'silent' }),
    )
    await subject.elapse(id, SETTLE_MS)
  }
  const types = async () => {
    const rows = await database.run((sql) => sql`SELECT type FROM events ORDER BY position`)
    return rows.map(({ type }) => type)
  }

  await assert.rejects(pay(intent), code)
  await silentForADay()
  await assert.rejects(pay(intent), code)
  assert.equal(charges, 2, 'the gateway did not know the charge: it was sent again')
  assert.equal((await row()).state, 'unknown')
  await silentForADay()
  assert.deepEqual(await types(), ['payment.unknown'])

  charge = { outcome: 'completed', chargeId: 'ch_1' }
  assert.equal((await pay(intent)).response.status, 200)
  assert.deepEqual(await types(), ['payment.unknown', 'payment.completed'])
})
