import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { paymentStore } from '../../internal/payments/payment-store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { KINDS, openMigrated } from '../support/migrated-database.ts'
import { beginning, paymentStoreContract, ref, SCOPE, SETTLE_MS, settlement } from './payment-store.ts'
import { paymentsIn, trailOf } from './payments-in.ts'

for (const kind of KINDS) {
  paymentStoreContract(`payments in the ${kind} database`, async () => {
    const { database, close } = await openMigrated(kind)
    return paymentsIn(database, close)
  })

  describe(`the audit trail of payments in the ${kind} database`, () => {
    test('the audit trail has each step with what it was about, and never more of the payment method', async () => {
      const opened = await openMigrated(kind)
      const store = paymentStore(opened.database, { settleMs: SETTLE_MS })
      const one = beginning()
      await store.begin(one)
      await store.leaveOpen(ref(one), { state: 'unknown', checkMs: 1, by: 'retry', reason: 'timeout' })
      assert.equal((await store.begin(beginning({ key: one.payment.key }))).outcome, 'taken_over')
      const recovered = { event: 'payment.recovered', by: 'retry', reason: 'found' } as const
      await store.settle(ref(one, 2), settlement(recovered))
      const all = await trailOf(opened.database, one.payment.id)
      await opened.close()
      assert.deepEqual(
        all.map(({ type }) => type),
        ['payment.attempted', 'payment.unknown', 'payment.attempted', 'payment.recovered'],
      )
      const common = {
        transaction_id: one.payment.id,
        scope: SCOPE,
        idempotency_key: one.payment.key,
        amount: 19.9,
        currency: 'EUR',
        payment_method: '****4242',
        request_id: 'request-1',
      }
      assert.deepEqual(all[0]?.entry, { ...common, attempt: 1 })
      assert.deepEqual(all[1]?.entry, { ...common, attempt: 1, by: 'retry', reason: 'timeout' })
      const found = { status: 'completed', charge_id: 'ch_1', by: 'retry', reason: 'found' }
      assert.deepEqual(all[3]?.entry, { ...common, attempt: 2, ...found })
    })
  })
}

test('many nodes that begin and settle payments of the same clients at once do not deadlock', async () => {
  const opened = await openMigrated('server')
  const databases = Array.from({ length: 4 }, () => openDatabase(opened.url))
  try {
    await Promise.all(databases.map((database) => migrate(database, SQL_DIRECTORY)))
    const nodes = databases.map((database) => paymentStore(database, { settleMs: SETTLE_MS }))
    const clients = ['a', 'b', 'c', 'd', 'e']
    const work = nodes.flatMap((node, n) =>
      Array.from({ length: 100 }, async (_, i) => {
        const one = beginning({ client: clients[(n + i * 3) % clients.length] ?? '' })
        assert.equal((await node.begin(one)).outcome, 'begun')
        assert.ok(await node.settle(ref(one), settlement()))
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
    await migrate(other, SQL_DIRECTORY)
    const [one, two] = [opened.database, other].map((database) =>
      paymentStore(database, { settleMs: SETTLE_MS }),
    )
    assert.ok(one && two)
    const outcomes = { settled: 0, takenOver: 0 }
    for (let round = 0; round < 20; round++) {
      const all = Array.from({ length: 10 }, () => beginning())
      await Promise.all(all.map((each) => one.begin(each)))
      await opened.database.run((sql) => sql`UPDATE payments SET lease_until = now()`)
      await Promise.all(
        all.flatMap((each) => [
          one.settle(ref(each), settlement()).then((done) => {
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
