import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { openDatabase } from '../../internal/database/database.ts'
import { gatewayKeyOf, type Payment } from '../../internal/payments/payment.ts'
import {
  type Beginning,
  type Begun,
  type PaymentStore,
  paymentStore,
  type Settlement,
  type Turn,
} from '../../internal/payments/payment-store.ts'
import { findPayment, readKey, takeDue, takeUnknown } from '../../internal/payments/read-payments.ts'
import { type OpenedDatabase, openMigrated } from '../support/clients.ts'

const SCOPE = 'POST /api/v1/payments'
const FINGERPRINT = 'a'.repeat(64)
/** Longer than a test takes; those that want it over move the row. */
const SETTLE_MS = 60_000

function beginning(change: Partial<Payment> = {}, fingerprint = FINGERPRINT): Beginning {
  const client = change.client ?? 'acme'
  const key = change.key ?? randomUUID()
  const payment: Payment = {
    ...{ client, id: uuidv7(), scope: SCOPE, key, state: 'processing', amount: '19.9', currency: 'EUR' },
    ...{ userId: undefined, description: 'book "ünd" \\ 本', paymentMethod: '****4242' },
    ...{ metadata: '{"b":"1","a":"\\u0000"}', gatewayKey: gatewayKeyOf(client, SCOPE, key) },
    ...{ createdAt: new Date() },
    ...change,
  }
  return { payment, fingerprint, requestId: 'request-1' }
}

function turn({ payment }: Beginning, attempt = 1): Turn {
  return { client: payment.client, id: payment.id, attempt, requestId: 'request-1' }
}

function settlement(change: Partial<Settlement> = {}): Settlement {
  return {
    ...{ state: 'completed', chargeId: 'ch_1', event: 'payment.completed', by: undefined, reason: undefined },
    answer: { status: 200, body: Buffer.from('{"payment":{"ü":1}}') },
    ...change,
  }
}

for (const kind of ['server', 'embedded'] as const) {
  describe(`payments in the ${kind} database`, () => {
    let opened: OpenedDatabase
    let store: PaymentStore
    before(async () => {
      opened = await openMigrated(kind)
      store = paymentStore(opened.database, { settleMs: SETTLE_MS })
    })
    after(() => opened.close())

    const events = async (id: string, client = 'acme') => {
      const rows = await opened.database.run(
        (sql) => sql`
          SELECT event_type, entry FROM audit_log WHERE client = ${client} AND entry::json->>'transaction_id' = ${id}
          ORDER BY seq`,
      )
      return rows.map((row) => ({ type: String(row.event_type), entry: JSON.parse(String(row.entry)) }))
    }
    const typesOf = async (id: string) => (await events(id)).map(({ type }) => type)
    /** As if so much time had passed since the payment was touched. */
    const elapse = async (id: string, ms: number) => {
      await opened.database.run(
        (sql) => sql`
          UPDATE payments SET lease_until = lease_until - make_interval(secs => ${ms / 1000}),
            sent_at = sent_at - make_interval(secs => ${ms / 1000}),
            check_at = check_at - make_interval(secs => ${ms / 1000})
          WHERE id = ${id}`,
      )
    }
    const takenOver = (begun: Begun) => {
      assert.equal(begun.outcome, 'taken_over')
      if (begun.outcome !== 'taken_over') throw new Error('unreachable')
      return begun
    }

    test('a payment is found as it began, by its client only', async () => {
      const one = beginning({ amount: '99999999999.9999', currency: 'CLF' })
      assert.deepEqual(await store.begin(one), { outcome: 'begun' })
      assert.deepEqual(await findPayment(opened.database, 'acme', one.payment.id), one.payment)
      assert.equal(await findPayment(opened.database, 'other', one.payment.id), undefined)
      const bare = beginning({
        ...{ currency: undefined, userId: 'user-1', description: undefined },
        ...{ paymentMethod: undefined, metadata: undefined },
      })
      await store.begin(bare)
      assert.deepEqual(await findPayment(opened.database, 'acme', bare.payment.id), bare.payment)
    })

    test('of 50 that begin at once one does, and the others meet it', async () => {
      const key = randomUUID()
      const stores = [store, paymentStore(opened.database, { settleMs: SETTLE_MS })]
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
      await store.settle(turn(one), settlement())
      assert.deepEqual(await store.begin(other()), { outcome: 'mismatch' })
      const { client, scope, key } = one.payment
      const of = { client, scope, key, fingerprint: 'b'.repeat(64) }
      assert.deepEqual(await readKey(opened.database, of), { outcome: 'mismatch' })
    })

    test('a settled payment gives its answer, byte for byte', async () => {
      const one = beginning()
      await store.begin(one)
      const body = Buffer.from([0, 255, 10, 123])
      assert.ok(await store.settle(turn(one), settlement({ answer: { status: 200, body } })))
      const settled = { outcome: 'settled', id: one.payment.id, answer: { status: 200, body } }
      assert.deepEqual(await store.begin(beginning({ key: one.payment.key })), settled)
      const { client, scope, key } = one.payment
      assert.deepEqual(
        await readKey(opened.database, { client, scope, key, fingerprint: FINGERPRINT }),
        settled,
      )
      assert.deepEqual(await typesOf(one.payment.id), ['payment.attempted', 'payment.completed'])
    })

    test('a step sent twice is done once', async () => {
      const one = beginning()
      assert.deepEqual(await store.begin(one), { outcome: 'begun' })
      assert.deepEqual(await store.begin(one), { outcome: 'begun' })
      assert.ok(await store.settle(turn(one), settlement()))
      assert.ok(await store.settle(turn(one), settlement()))
      const two = beginning()
      await store.begin(two)
      assert.ok(await store.abandon(turn(two), 'unsent'))
      assert.ok(await store.abandon(turn(two), 'unsent'))
      assert.deepEqual(await typesOf(one.payment.id), ['payment.attempted', 'payment.completed'])
      assert.deepEqual(await typesOf(two.payment.id), ['payment.attempted', 'payment.abandoned'])
    })

    test('an attempt whose time is over is taken over, once, and told how long nothing may be sent', async () => {
      const one = beginning()
      await store.begin(one)
      await store.letGo(turn(one), { state: 'processing', checkMs: 1_000, by: 'retry', reason: 'timeout' })
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
      const reasons = (await events(one.payment.id)).map(({ type, entry }) => `${type} ${entry.reason ?? ''}`)
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
      const take = (seen: number) => takeUnknown(opened.database, { client, id, seen, leaseMs: SETTLE_MS })
      await store.begin(one)
      await elapse(id, SETTLE_MS)
      assert.equal(await take(1), undefined, 'it is not unknown')
      await store.letGo(turn(one), { state: 'unknown', checkMs: 1_000, by: 'completer', reason: 'silent' })
      takenOver(await store.begin(beginning({ key })))
      assert.ok(await store.sendAgain(turn(one, 2)))
      assert.equal(await take(2), undefined, 'an attempt works on it')
      await elapse(id, SETTLE_MS)
      assert.equal(await take(1), undefined, 'another attempt has followed')
      assert.deepEqual(await take(2), { payment: { ...one.payment, state: 'unknown' }, attempt: 3 })
      assert.equal(await store.settle(turn(one, 2), settlement()), false)
      assert.ok(await store.settle(turn(one, 3), settlement({ by: 'operator:Ada' })))
    })

    test('an attempt that was taken over can do nothing any more', async () => {
      const one = beginning()
      await store.begin(one)
      await elapse(one.payment.id, SETTLE_MS)
      takenOver(await store.begin(beginning({ key: one.payment.key })))
      const leaving = { state: 'processing', checkMs: 1, by: 'retry', reason: 'x' } as const
      assert.equal(await store.settle(turn(one), settlement()), false)
      assert.equal(await store.sendAgain(turn(one)), false)
      assert.equal(await store.letGo(turn(one), leaving), false)
      assert.equal(await store.abandon(turn(one), 'unsent'), false)
      assert.equal((await findPayment(opened.database, 'acme', one.payment.id))?.state, 'processing')
      assert.ok(
        await store.settle(turn(one, 2), settlement({ state: 'declined', event: 'payment.declined' })),
      )
      for (const step of [
        store.settle(turn(one, 2), settlement()),
        store.sendAgain(turn(one, 2)),
        store.letGo(turn(one, 2), leaving),
        store.abandon(turn(one, 2), 'unsent'),
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
      assert.equal(await store.abandon(turn(one, 2), 'unsent'), false)
    })

    test('sending again counts from now on', async () => {
      const one = beginning()
      await store.begin(one)
      await elapse(one.payment.id, SETTLE_MS)
      takenOver(await store.begin(beginning({ key: one.payment.key })))
      assert.ok(await store.sendAgain(turn(one, 2)))
      await store.letGo(turn(one, 2), { state: 'processing', checkMs: 1, by: 'retry', reason: 'timeout' })
      const taken = takenOver(await store.begin(beginning({ key: one.payment.key })))
      assert.ok(taken.waitMs > SETTLE_MS / 2, `${taken.waitMs}`)
    })

    test('an abandoned key is free for a new payment', async () => {
      const one = beginning()
      await store.begin(one)
      await store.abandon(turn(one), 'unsent')
      const two = beginning({ key: one.payment.key }, 'b'.repeat(64))
      assert.deepEqual(await store.begin(two), { outcome: 'begun' })
      assert.equal(await findPayment(opened.database, 'acme', one.payment.id), undefined)
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
      await store.settle(turn(settled), settlement())
      await Promise.all(due.map(({ payment }) => elapse(payment.id, SETTLE_MS)))
      const options = { limit: 10, leaseMs: 60_000, expiryMs: 86_400_000 }
      const taken: string[] = []
      const completer = async () => {
        for (;;) {
          const some = await takeDue(opened.database, options)
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
      for (const one of due) assert.equal(await store.settle(turn(one), settlement()), false, 'it is fenced')
    })

    test('a payment is expired a day after the last charge that may have left', async () => {
      const one = beginning()
      await store.begin(one)
      await elapse(one.payment.id, 86_400_000)
      const due = await takeDue(opened.database, { limit: 100, leaseMs: 1_000, expiryMs: 86_400_000 })
      const mine = due.find(({ payment }) => payment.id === one.payment.id)
      assert.deepEqual([mine?.expired, mine?.checks, mine?.attempt], [true, 1, 2])
    })

    test('the audit trail has each step with what it was about, and never more of the payment method', async () => {
      const one = beginning()
      await store.begin(one)
      await store.letGo(turn(one), { state: 'unknown', checkMs: 1, by: 'retry', reason: 'timeout' })
      takenOver(await store.begin(beginning({ key: one.payment.key })))
      const recovered = { event: 'payment.recovered', by: 'retry', reason: 'found' } as const
      await store.settle(turn(one, 2), settlement(recovered))
      const all = await events(one.payment.id)
      assert.deepEqual(
        all.map(({ type }) => type),
        ['payment.attempted', 'payment.unknown', 'payment.attempted', 'payment.recovered'],
      )
      const common = {
        ...{ transaction_id: one.payment.id, scope: SCOPE, idempotency_key: one.payment.key, amount: 19.9 },
        ...{ currency: 'EUR', payment_method: '****4242', request_id: 'request-1' },
      }
      assert.deepEqual(all[0]?.entry, { ...common, attempt: 1 })
      assert.deepEqual(all[1]?.entry, { ...common, attempt: 1, by: 'retry', reason: 'timeout' })
      const found = { status: 'completed', charge_id: 'ch_1', by: 'retry', reason: 'found' }
      assert.deepEqual(all[3]?.entry, { ...common, attempt: 2, ...found })
    })

    test('a step that changes nothing leaves no entry', async () => {
      const one = beginning()
      await store.begin(one)
      const leaving = { state: 'processing', checkMs: 1, by: 'completer', reason: undefined } as const
      assert.ok(await store.letGo(turn(one), leaving))
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
  })
}

test('many nodes that begin and settle payments of the same clients at once do not deadlock', async () => {
  const opened = await openMigrated('server')
  const databases = Array.from({ length: 4 }, () => openDatabase(opened.url))
  try {
    const nodes = databases.map((database) => paymentStore(database, { settleMs: SETTLE_MS }))
    const clients = ['a', 'b', 'c', 'd', 'e']
    const work = nodes.flatMap((node, n) =>
      Array.from({ length: 100 }, async (_, i) => {
        const one = beginning({ client: clients[(n + i * 3) % clients.length] ?? '' })
        assert.equal((await node.begin(one)).outcome, 'begun')
        assert.ok(await node.settle(turn(one), settlement()))
      }),
    )
    await Promise.all(work)
    const [row] = await opened.database.run(
      (sql) => sql`
        SELECT (SELECT count(*) FROM payments WHERE state = 'completed')::int AS payments,
          (SELECT count(*) FROM audit_log)::int AS entries,
          (SELECT sum(seq) FROM audit_heads)::int AS heads`,
    )
    assert.deepEqual({ ...row }, { payments: 400, entries: 800, heads: 800 })
  } finally {
    await Promise.all(databases.map((database) => database.close()))
    await opened.close()
  }
})

test('an attempt that ends while another one takes over waits for it, and they do not deadlock', async () => {
  const opened = await openMigrated('server')
  const other = openDatabase(opened.url)
  try {
    const [one, two] = [opened.database, other].map((database) =>
      paymentStore(database, { settleMs: SETTLE_MS }),
    )
    assert.ok(one && two)
    const outcomes = { settled: 0, takenOver: 0 }
    for (let round = 0; round < 20; round++) {
      const all = Array.from({ length: 10 }, () => beginning())
      await Promise.all(all.map((each) => one.begin(each)))
      await opened.database.run((sql) => sql`UPDATE payments SET lease_until = clock_timestamp()`)
      await Promise.all(
        all.flatMap((each) => [
          one.settle(turn(each), settlement()).then((done) => {
            if (done) outcomes.settled++
          }),
          two.begin(beginning({ key: each.payment.key })).then(({ outcome }) => {
            if (outcome === 'taken_over') outcomes.takenOver++
            else assert.equal(outcome, 'settled')
          }),
        ]),
      )
    }
    assert.equal(outcomes.settled + outcomes.takenOver, 200, 'each payment went one way')
  } finally {
    await other.close()
    await opened.close()
  }
})
