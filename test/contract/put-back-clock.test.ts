import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { connectRedis } from '../../internal/database/redis.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { redisNames } from '../../internal/idempotency/redis-names.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import type { IdempotencyStore, KeyId } from '../../internal/idempotency/store.ts'
import { paymentStore } from '../../internal/payments/payment-store.ts'
import { takeDue } from '../../internal/payments/read-payments.ts'
import { migratedDatabase } from '../support/migrated-database.ts'
import { onRedis } from '../support/on-redis.ts'
import { connected } from '../support/redis-ready.ts'
import { redisUrl } from '../support/servers.ts'
import { until } from '../support/until.ts'

const FINGERPRINT = 'a'.repeat(64)
const LEASE_MS = 1_000
const HOUR_MS = 3_600_000
const token = () => randomBytes(16).toString('hex')

/** The holder has ended. Its times are from a clock that was an hour ahead of the current one. */
async function isFreeAfterItsLease(store: IdempotencyStore, putBack: (id: KeyId) => Promise<unknown>) {
  const id = { client: 'acme', scope: 'POST /orders', key: randomUUID() }
  const mine = token()
  assert.equal((await store.claim(id, FINGERPRINT, mine, LEASE_MS)).outcome, 'acquired')
  await putBack(id)
  const claim = await store.claim(id, FINGERPRINT, token(), LEASE_MS)
  assert.ok(claim.outcome === 'in_progress' && claim.retryAfterMs <= LEASE_MS, JSON.stringify(claim))
  let last: unknown
  await until('the key is free', async () => {
    last = await store.claim(id, FINGERPRINT, token(), LEASE_MS)
    return JSON.stringify(last) === '{"outcome":"acquired","attempt":2}'
  })
  assert.equal(await store.renew(id, mine, LEASE_MS), false)

  const other = { ...id, key: randomUUID() }
  await store.claim(other, FINGERPRINT, mine, LEASE_MS)
  await putBack(other)
  await store.claim(other, FINGERPRINT, token(), LEASE_MS)
  assert.equal(await store.renew(other, mine, 60_000), true, 'a holder that is alive goes on')
  await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS))
  assert.equal((await store.claim(other, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
}

test('Redis: after the clock is set back, a lease still ends after its length', async (t) => {
  const redis = await connected(connectRedis(redisUrl))
  t.after(() => redis.close())
  const prefix = `put-back-${randomUUID()}`
  await isFreeAfterItsLease(redisStore(redis, { ttlMs: 60_000, prefix }), (id) =>
    onRedis(redisUrl, 'HINCRBY', redisNames(prefix).record(id), 'lease_until', String(HOUR_MS)),
  )
})

test('PostgreSQL: after the clock is set back, a lease still ends after its length', async (t) => {
  const { database } = await migratedDatabase(t)
  await isFreeAfterItsLease(postgresStore(database, { ttlMs: 60_000 }), ({ key }) =>
    database.run(
      (sql) =>
        sql`UPDATE idempotency_keys SET lease_until = lease_until + interval '1 hour' WHERE key = ${key}`,
    ),
  )
})

async function onePayment(t: TestContext) {
  const { database } = await migratedDatabase(t)
  const payments = paymentStore(database, { settleMs: LEASE_MS })
  const key = randomUUID()
  const begin = (id = randomUUID()) =>
    payments.begin({
      payment: {
        client: 'acme',
        id,
        scope: 'POST /pay',
        key,
        state: 'processing',
        amount: '5',
        currency: 'EUR',
        userId: undefined,
        description: undefined,
        paymentMethod: undefined,
        metadata: undefined,
        gatewayKey: FINGERPRINT,
        createdAt: new Date(),
      },
      fingerprint: FINGERPRINT,
      requestId: undefined,
    })
  return { database, payments, begin }
}

test('PostgreSQL: a payment that no attempt holds is taken over at once after its clock was put back', async (t) => {
  const { database, payments, begin } = await onePayment(t)
  const id = randomUUID()
  assert.equal((await begin(id)).outcome, 'begun')
  await payments.leaveOpen(
    { client: 'acme', id, attempt: 1, requestId: undefined },
    { state: 'processing', checkMs: 1_000, by: 'completer', reason: undefined },
  )
  // The last lookup was 50 s after the charge.
  await database.run(
    (sql) => sql`
      UPDATE payments SET sent_at = sent_at + interval '10 s', lease_until = lease_until + interval '60 s',
        check_at = check_at + interval '60 s'`,
  )
  const taken = await begin()
  assert.ok(taken.outcome === 'taken_over' && taken.waitMs <= LEASE_MS, JSON.stringify(taken))
})

test('PostgreSQL: a payment is free after the lease of a lookup that died before its clock was put back', async (t) => {
  const { database, begin } = await onePayment(t)
  assert.equal((await begin()).outcome, 'begun')
  await database.run(
    (sql) =>
      sql`UPDATE payments SET sent_at = sent_at - interval '1 hour', check_at = now(), lease_until = now()`,
  )
  const [due] = await takeDue(database, { limit: 1, leaseMs: LEASE_MS, expiryMs: HOUR_MS })
  assert.equal(due?.attempt, 2)
  await database.run((sql) => sql`UPDATE payments SET lease_until = lease_until + interval '60 s'`)
  const held = await begin()
  assert.ok(held.outcome === 'in_progress' && held.waitMs <= LEASE_MS, JSON.stringify(held))
  await until('it is taken over', async () => (await begin()).outcome === 'taken_over')
})

for (const [what, sent] of [
  ['a payment of a clock that was put back', "sent_at + interval '1 hour'"],
  [
    'a payment from long before that was taken over by a clock that was put back',
    "sent_at - interval '2 hours'",
  ],
] as const)
  test(`PostgreSQL: ${what} is taken over after its lease, and its charge may show as long`, async (t) => {
    const { database, begin } = await onePayment(t)
    assert.equal((await begin()).outcome, 'begun')
    await database.run(
      (sql) => sql`
      UPDATE payments SET sent_at = ${sql.unsafe(sent)}, lease_until = lease_until + interval '1 hour',
        check_at = check_at + interval '1 hour'`,
    )
    const held = await begin()
    assert.ok(held.outcome === 'in_progress' && held.waitMs <= LEASE_MS, JSON.stringify(held))
    let last = await begin()
    await until('it is taken over', async () => {
      last = await begin()
      return last.outcome === 'taken_over'
    })
    assert.ok(
      last.outcome === 'taken_over' && last.attempt === 2 && last.waitMs <= LEASE_MS,
      JSON.stringify(last),
    )
  })
