import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { gatewayKeyOf, type Payment } from '../../internal/payments/payment.ts'
import type {
  AttemptRef,
  BeginRequest,
  BeginResult,
  PaymentStore,
  Settlement,
} from '../../internal/payments/payment-store.ts'
import type { DuePayment, KeyState, PaymentKey, TakeDue } from '../../internal/payments/read-payments.ts'

export interface PaymentSubject {
  store: PaymentStore
  /** The same payments, as another process has them. */
  another(): PaymentStore
  find(client: string, id: string): Promise<Payment | undefined>
  readKey(of: PaymentKey): Promise<KeyState>
  takeDue(take: TakeDue): Promise<DuePayment[]>
  takeUnknown(of: {
    client: string
    id: string
    seen: number
    leaseMs: number
    settleMs: number
  }): Promise<{ payment: Payment; attempt: number } | undefined>
  /** The audit trail of a payment. */
  events(id: string): Promise<{ type: string; reason: string | undefined }[]>
  /** As if so much time had passed since the payment was touched. */
  elapse(id: string, ms: number): Promise<void>
  close(): Promise<void>
}

export const SCOPE = 'POST /api/v1/payments'
const FINGERPRINT = 'a'.repeat(64)
/** Longer than a test takes; those that want it over move the row. */
export const SETTLE_MS = 60_000

export function beginning(change: Partial<Payment> = {}, fingerprint = FINGERPRINT): BeginRequest {
  const client = change.client ?? 'acme'
  const key = change.key ?? randomUUID()
  const payment: Payment = {
    client,
    id: uuidv7(),
    scope: SCOPE,
    key,
    state: 'processing',
    amount: '19.9',
    currency: 'EUR',
    userId: undefined,
    description: 'book "ünd" \\ 本',
    paymentMethod: '****4242',
    metadata: '{"b":"1","a":"\\u0000"}',
    gatewayKey: gatewayKeyOf(client, SCOPE, key),
    createdAt: new Date(),
    ...change,
  }
  return { payment, fingerprint, requestId: 'request-1' }
}

export function ref({ payment }: BeginRequest, attempt = 1): AttemptRef {
  return { client: payment.client, id: payment.id, attempt, requestId: 'request-1' }
}

export function settlement(change: Partial<Settlement> = {}): Settlement {
  return {
    state: 'completed',
    chargeId: 'ch_1',
    event: 'payment.completed',
    by: undefined,
    reason: undefined,
    response: { status: 200, body: Buffer.from('{"payment":{"ü":1}}') },
    ...change,
  }
}

/** What every payment store must keep; `settleMs` is SETTLE_MS. */
export function paymentStoreContract(name: string, open: () => Promise<PaymentSubject>): void {
  describe(name, () => contract(open))
}

function contract(open: () => Promise<PaymentSubject>): void {
  let subject: PaymentSubject
  let store: PaymentStore
  before(async () => {
    subject = await open()
    store = subject.store
  })
  after(() => subject.close())
  const elapse = (id: string, ms: number) => subject.elapse(id, ms)
  const events = (id: string) => subject.events(id)
  const typesOf = async (id: string) => (await events(id)).map(({ type }) => type)
  const takenOver = (begun: BeginResult) => {
    assert.equal(begun.outcome, 'taken_over')
    if (begun.outcome !== 'taken_over') throw new Error('unreachable')
    return begun
  }

  test('a payment is found as it began, by its client only', async () => {
    const one = beginning({ amount: '99999999999.9999', currency: 'CLF' })
    assert.deepEqual(await store.begin(one), { outcome: 'begun' })
    assert.deepEqual(await subject.find('acme', one.payment.id), one.payment)
    assert.equal(await subject.find('other', one.payment.id), undefined)
    const bare = beginning({
      currency: undefined,
      userId: 'user-1',
      description: undefined,
      paymentMethod: undefined,
      metadata: undefined,
    })
    await store.begin(bare)
    assert.deepEqual(await subject.find('acme', bare.payment.id), bare.payment)
  })

  test('of 50 that begin at once one does, and the others meet it', async () => {
    const key = randomUUID()
    const stores = [store, subject.another()]
    const all = Array.from({ length: 50 }, () => beginning({ key }))
    const begun = await Promise.all(all.map((one, n) => stores[n % 2]?.begin(one)))
    assert.equal(begun.filter((one) => one?.outcome === 'begun').length, 1)
    for (const one of begun) {
      if (one?.outcome === 'begun') continue
      assert.ok(one?.outcome === 'in_progress' && one.waitMs > 0 && one.waitMs <= SETTLE_MS)
    }
    const winner = all[begun.findIndex((one) => one?.outcome === 'begun')]
    assert.deepEqual(await typesOf(winner?.payment.id ?? ''), ['payment.attempted'])
  })

  test('another request with the key is a mismatch, in every state', async () => {
    const one = beginning()
    const other = () => beginning({ key: one.payment.key }, 'b'.repeat(64))
    await store.begin(one)
    assert.deepEqual(await store.begin(other()), { outcome: 'mismatch' })
    await elapse(one.payment.id, SETTLE_MS)
    assert.deepEqual(await store.begin(other()), { outcome: 'mismatch' })
    await store.settle(ref(one), settlement())
    assert.deepEqual(await store.begin(other()), { outcome: 'mismatch' })
    const { client, scope, key } = one.payment
    const of = { client, scope, key, fingerprint: 'b'.repeat(64) }
    assert.deepEqual(await subject.readKey(of), { outcome: 'mismatch' })
  })

  test('a settled payment gives its response, byte for byte', async () => {
    const one = beginning()
    await store.begin(one)
    const body = Buffer.from([0, 255, 10, 123])
    assert.ok(await store.settle(ref(one), settlement({ response: { status: 200, body } })))
    const settled = { outcome: 'settled', id: one.payment.id, response: { status: 200, body } }
    assert.deepEqual(await store.begin(beginning({ key: one.payment.key })), settled)
    const { client, scope, key } = one.payment
    assert.deepEqual(await subject.readKey({ client, scope, key, fingerprint: FINGERPRINT }), settled)
    assert.deepEqual(await typesOf(one.payment.id), ['payment.attempted', 'payment.completed'])
  })

  test('a step sent twice is done once', async () => {
    const one = beginning()
    assert.deepEqual(await store.begin(one), { outcome: 'begun' })
    assert.deepEqual(await store.begin(one), { outcome: 'begun' })
    assert.ok(await store.settle(ref(one), settlement()))
    assert.ok(await store.settle(ref(one), settlement()))
    const two = beginning()
    await store.begin(two)
    assert.ok(await store.abandon(ref(two), 'unsent'))
    assert.ok(await store.abandon(ref(two), 'unsent'))
    assert.deepEqual(await typesOf(one.payment.id), ['payment.attempted', 'payment.completed'])
    assert.deepEqual(await typesOf(two.payment.id), ['payment.attempted', 'payment.abandoned'])
  })

  test('an attempt whose time is over is taken over, once, and told how long nothing may be sent', async () => {
    const one = beginning()
    await store.begin(one)
    await store.leaveOpen(ref(one), { state: 'processing', checkMs: 1_000, by: 'retry', reason: 'timeout' })
    const retries = Array.from({ length: 20 }, () => beginning({ key: one.payment.key }))
    const begun = await Promise.all(retries.map((retry) => store.begin(retry)))
    const taken = takenOver(begun.find(({ outcome }) => outcome === 'taken_over') ?? { outcome: 'begun' })
    assert.equal(begun.filter(({ outcome }) => outcome === 'in_progress').length, 19)
    assert.deepEqual([taken.id, taken.attempt, taken.unknown], [one.payment.id, 2, false])
    assert.equal(taken.createdAt.getTime(), one.payment.createdAt.getTime())
    assert.ok(taken.waitMs > 0 && taken.waitMs <= SETTLE_MS)
    await elapse(one.payment.id, SETTLE_MS)
    const again = takenOver(await store.begin(beginning({ key: one.payment.key })))
    assert.deepEqual([again.attempt, again.waitMs], [3, 0])
    const reasons = (await events(one.payment.id)).map(({ type, reason }) => `${type} ${reason ?? ''}`)
    assert.deepEqual(reasons, [
      'payment.attempted ',
      'payment.unknown timeout',
      'payment.attempted taken over',
      'payment.attempted taken over',
    ])
  })

  test('an unknown payment is taken for somebody who knows, unless a charge of it may be on its way', async () => {
    const one = beginning()
    const { client, id, key } = one.payment
    const take = (seen: number) =>
      subject.takeUnknown({ client, id, seen, leaseMs: SETTLE_MS, settleMs: SETTLE_MS })
    const leaving = { state: 'unknown', checkMs: 1_000, by: 'completer', reason: 'silent' } as const
    await store.begin(one)
    await elapse(id, SETTLE_MS)
    assert.equal(await take(1), undefined, 'it is not unknown')
    await store.leaveOpen(ref(one), leaving)
    takenOver(await store.begin(beginning({ key })))
    assert.ok(await store.sendAgain(ref(one, 2)))
    assert.equal(await take(2), undefined, 'an attempt works on it')
    assert.ok(await store.leaveOpen(ref(one, 2), leaving))
    assert.equal(await take(2), undefined, 'its charge may be on its way')
    await elapse(id, SETTLE_MS)
    assert.equal(await take(1), undefined, 'another attempt has followed')
    assert.deepEqual(await take(2), { payment: { ...one.payment, state: 'unknown' }, attempt: 3 })
    assert.equal(await store.settle(ref(one, 2), settlement()), false)
    assert.ok(await store.settle(ref(one, 3), settlement({ by: 'operator:Ada' })))
  })

  test('an attempt that was taken over can do nothing any more', async () => {
    const one = beginning()
    await store.begin(one)
    await elapse(one.payment.id, SETTLE_MS)
    takenOver(await store.begin(beginning({ key: one.payment.key })))
    const leaving = { state: 'processing', checkMs: 1, by: 'retry', reason: 'x' } as const
    assert.equal(await store.settle(ref(one), settlement()), false)
    assert.equal(await store.sendAgain(ref(one)), false)
    assert.equal(await store.leaveOpen(ref(one), leaving), false)
    assert.equal(await store.abandon(ref(one), 'unsent'), false)
    assert.equal((await subject.find('acme', one.payment.id))?.state, 'processing')
    assert.ok(await store.settle(ref(one, 2), settlement({ state: 'declined', event: 'payment.declined' })))
    for (const step of [
      store.settle(ref(one, 2), settlement()),
      store.sendAgain(ref(one, 2)),
      store.leaveOpen(ref(one, 2), leaving),
      store.abandon(ref(one, 2), 'unsent'),
    ]) {
      assert.equal(await step, false, 'a settled payment does not change')
    }
    assert.deepEqual(await typesOf(one.payment.id), [
      ...['payment.attempted', 'payment.attempted', 'payment.declined'],
    ])
  })

  test('a second attempt cannot abandon: it does not know what the first one sent', async () => {
    const one = beginning()
    await store.begin(one)
    await elapse(one.payment.id, SETTLE_MS)
    takenOver(await store.begin(beginning({ key: one.payment.key })))
    assert.equal(await store.abandon(ref(one, 2), 'unsent'), false)
  })

  test('sending again counts from now on', async () => {
    const one = beginning()
    await store.begin(one)
    await elapse(one.payment.id, SETTLE_MS)
    takenOver(await store.begin(beginning({ key: one.payment.key })))
    assert.ok(await store.sendAgain(ref(one, 2)))
    await store.leaveOpen(ref(one, 2), { state: 'processing', checkMs: 1, by: 'retry', reason: 'timeout' })
    const taken = takenOver(await store.begin(beginning({ key: one.payment.key })))
    assert.ok(taken.waitMs > SETTLE_MS / 2, `${taken.waitMs}`)
  })

  test('an abandoned key is free for a new payment', async () => {
    const one = beginning()
    await store.begin(one)
    await store.abandon(ref(one), 'unsent')
    const two = beginning({ key: one.payment.key }, 'b'.repeat(64))
    assert.deepEqual(await store.begin(two), { outcome: 'begun' })
    assert.equal(await subject.find('acme', one.payment.id), undefined)
  })

  test('two clients, and two routes, have a payment each under one key', async () => {
    const one = beginning()
    const { key } = one.payment
    for (const each of [one, beginning({ key, client: 'other' }), beginning({ key, scope: 'POST /pay' })]) {
      assert.deepEqual(await store.begin(each), { outcome: 'begun' })
    }
  })

  test('two completers take each payment that is due once, and none that is not', async () => {
    const due = Array.from({ length: 30 }, () => beginning())
    const busy = beginning()
    const settled = beginning()
    await Promise.all([...due, busy, settled].map((one) => store.begin(one)))
    await store.settle(ref(settled), settlement())
    await Promise.all(due.map(({ payment }) => elapse(payment.id, SETTLE_MS)))
    const options = { limit: 10, leaseMs: 60_000, expiryMs: 86_400_000 }
    const taken: string[] = []
    const completer = async () => {
      for (;;) {
        const some = await subject.takeDue(options)
        assert.ok(some.length <= 10)
        for (const { payment, attempt, expired } of some) {
          taken.push(payment.id)
          if (due.some((one) => one.payment.id === payment.id)) assert.equal(attempt, 2)
          assert.equal(expired, false)
        }
        if (some.length === 0) return
        await sleep(1)
      }
    }
    await Promise.all([completer(), completer()])
    assert.equal(new Set(taken).size, taken.length)
    for (const { payment } of due) assert.ok(taken.includes(payment.id))
    for (const { payment } of [busy, settled]) assert.ok(!taken.includes(payment.id))
    for (const one of due) assert.equal(await store.settle(ref(one), settlement()), false, 'it is fenced')
  })

  test('a payment is expired a day after the last charge that may have left', async () => {
    const one = beginning()
    await store.begin(one)
    await elapse(one.payment.id, 86_400_000)
    const due = await subject.takeDue({ limit: 100, leaseMs: 1_000, expiryMs: 86_400_000 })
    const mine = due.find(({ payment }) => payment.id === one.payment.id)
    assert.deepEqual([mine?.expired, mine?.checks, mine?.attempt], [true, 1, 2])
  })

  test('a step that changes nothing leaves no entry', async () => {
    const one = beginning()
    await store.begin(one)
    const leaving = { state: 'processing', checkMs: 1, by: 'completer', reason: undefined } as const
    assert.ok(await store.leaveOpen(ref(one), leaving))
    assert.deepEqual(await typesOf(one.payment.id), ['payment.attempted'])
  })

  test('a payment that the database refuses does not take its neighbours with it', async () => {
    const good = Array.from({ length: 10 }, () => beginning())
    const bad = beginning({ amount: '0' })
    const all = [...good.slice(0, 5), bad, ...good.slice(5)]
    const results = await Promise.allSettled(all.map((one) => store.begin(one)))
    assert.deepEqual(
      results.map(({ status }) => status),
      all.map((one) => (one === bad ? 'rejected' : 'fulfilled')),
    )
    assert.deepEqual(await typesOf(bad.payment.id), [])
  })
}
