import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createClient } from '../../src/client.ts'
import { failure } from '../support/failure.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase({
  API_KEYS: 'ann:key-of-ann-0001,bob:key-of-bob-0001,default:key-of-default',
})
after(() => world.close())
const partner = (apiKey: string) => createClient({ baseUrl: world.service.url, apiKey, retry: 'service' })
const [ann, bob] = [partner('key-of-ann-0001'), partner('key-of-bob-0001')]

const INPUT = {
  amount: '19.90',
  currency: 'EUR',
  description: 'café',
  payment_method: 'card-4242424242424242',
  metadata: { basket: '7' },
}

async function remaining(client: typeof ann): Promise<string[]> {
  return (await client.rateLimits()).limits.map((limit) => `${limit.name} ${limit.remaining}`)
}

test('a payment with an API key is made once, replayed and read back, and no other client sees it', async () => {
  const first = await ann.payments.create(INPUT)
  assert.equal(first.replayed, false)
  const { transaction_id, created_at, payment_method, ...payment } = first.payment
  assert.deepEqual(payment, {
    status: 'completed',
    amount: 19.9,
    currency: 'EUR',
    description: 'café',
    metadata: { basket: '7' },
  })
  assert.match(payment_method, /^\*+4242$/)
  assert.ok(Number.isFinite(Date.parse(created_at)))
  const again = await ann.payments.create(INPUT, { key: first.key })
  assert.equal(again.replayed, true)
  assert.deepEqual(again.payment, first.payment)
  assert.deepEqual((await ann.payments.get(transaction_id)).payment, first.payment)
  assert.equal((await failure(bob.payments.get(transaction_id))).code, 'not_found')
  // Keys belong to a user: the same key of another user is independent.
  const other = await bob.payments.create(INPUT, { key: first.key })
  assert.equal(other.replayed, false)
  assert.notEqual(other.payment.transaction_id, transaction_id)
})

test('a declined payment is a result, and replayed as one', async () => {
  const declined = { ...INPUT, payment_method: 'card-declined' }
  const { payment, key } = await ann.payments.create(declined)
  assert.equal(payment.status, 'declined')
  const again = await ann.payments.create(declined, { key })
  assert.equal(again.replayed, true)
  assert.deepEqual(again.payment, payment)
  const conflict = await failure(ann.payments.create(INPUT, { key }))
  assert.equal(`${conflict.code} ${conflict.effect}`, 'idempotency_key_reused unknown')
})

test('the audit trail has only own payments, newest first, page by page', async () => {
  const { payment } = await bob.payments.create(INPUT)
  const seen = []
  for await (const entry of bob.auditLogs.list({ eventType: 'payment.completed', limit: 1 })) seen.push(entry)
  assert.ok(seen.length >= 2, 'more than a page')
  assert.ok(seen.every(({ event_type }) => event_type === 'payment.completed'))
  assert.ok(JSON.stringify(seen[0]).includes(payment.transaction_id))
  assert.deepEqual(
    seen.map(({ seq }) => seq),
    seen.map(({ seq }) => seq).sort((a, b) => b - a),
  )
  assert.ok(!JSON.stringify(seen).includes(INPUT.payment_method))
})

test('a payment uses all four limits of /api/v1, a read all but that of the endpoint, rateLimits() none', async () => {
  const fresh = partner('key-of-default')
  const full = ['global', 'client-60s 100', 'endpoint 10', 'client-1s 50']
  const own = async () => (await remaining(fresh)).map((each) => each.replace(/^global .*/, 'global'))
  assert.deepEqual(await own(), full)
  const { payment } = await fresh.payments.create(INPUT)
  const [, client, endpoint] = await own()
  assert.deepEqual([client, endpoint], ['client-60s 99', 'endpoint 9'])
  const found = await fresh.payments.get(payment.transaction_id)
  assert.equal(found.rateLimit?.limit, 50, 'what is tightest of the other three')
  assert.deepEqual((await own()).slice(1, 3), ['client-60s 98', 'endpoint 9'])
  // A signing client with the name of the user is the same caller: it sees the payment and shares the limits.
  const signing = createClient({ baseUrl: world.service.url, secret: 'super-secret-key' })
  assert.deepEqual((await signing.payments.get(payment.transaction_id)).payment, payment)
  assert.deepEqual((await own()).slice(1, 3), ['client-60s 97', 'endpoint 9'])
})

test('the eleventh payment within a minute waits for the limit, and fails at its deadline', async () => {
  const { limits } = await ann.rateLimits()
  const left = limits.find(({ name }) => name === 'endpoint')?.remaining ?? 0
  for (let n = 0; n < left; n++) await ann.payments.create(INPUT)
  const error = await failure(ann.payments.create(INPUT, { deadlineMs: 2_000 }))
  assert.equal(`${error.code} ${error.gaveUp} ${error.effect}`, 'rate_limited deadline none')
  const { tightest, limits: spent } = await ann.rateLimits()
  assert.equal(tightest, 'endpoint')
  assert.equal(spent.find(({ name }) => name === 'endpoint')?.allowed, false)
  // Reads are still admitted.
  assert.equal((await failure(ann.payments.get('019d0000-0000-7000-8000-000000000001'))).code, 'not_found')
})
