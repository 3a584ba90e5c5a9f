import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Database } from '../../internal/database/database.ts'
import { migratedDatabase } from '../support/migrated-database.ts'

/** What the first version of each check was. */
const CLIENT = /^[A-Za-z0-9._-]{1,64}$/
const CURRENCY = /^[A-Z]{3}$/
const GATEWAY_KEY = /^[0-9a-f]{64}$/

const ALL_OF_CLIENT = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ', ...'abcdefghijklmnopqrstuvwxyz', ...'0123456789._-']
const BAD = [
  '',
  ' ',
  'a b',
  'a\n',
  '\na',
  'a/',
  'ä',
  'Aé',
  'a,b',
  'A'.repeat(65),
  'é'.repeat(32),
  '€€€',
  '\u0001',
]
const CLIENTS = [...BAD, ...ALL_OF_CLIENT, 'default', 'a'.repeat(64), 'a\u0301', '`', '@', '[', '{', ':']
const CURRENCIES = [...BAD, 'EUR', 'AZZ', 'eur', 'EU', 'EURO', 'E1R', 'EÜR', 'EU\n', 'ÄE']
const GATEWAY_KEYS = [
  ...BAD,
  '0123456789abcdef'.repeat(4),
  'A'.repeat(64),
  'a'.repeat(63),
  'g'.repeat(64),
  'é'.repeat(32),
]

interface Row {
  client: string
  currency: string
  gatewayKey: string
}

async function isTaken(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error && error.code === '23514', String(error))
    return false
  }
}

const order = (database: Database, client: string) =>
  database.run(
    (sql) => sql`
      INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status, response_body,
        created_at)
      VALUES (${client}, ${randomUUID()}, ${randomUUID()}, sha256('a'), 'user-1', 'book', 1, 201, '', now())`,
  )

const payment = (database: Database, { client, currency, gatewayKey }: Row) =>
  database.run(
    (sql) => sql`
      INSERT INTO payments (client, id, scope, idempotency_key, fingerprint, state, attempt, lease_until, sent_at,
        check_at, amount, currency, gateway_key, created_at)
      VALUES (${client}, ${randomUUID()}, 'POST /pay', ${randomUUID()}, sha256('a'), 'processing', 1, now(), now(),
        now(), 1, ${currency}, ${gatewayKey}, now())`,
  )

test('orders and payments take the clients, currencies and keys that their patterns took, and no others', async (t) => {
  const { database } = await migratedDatabase(t)
  const fine: Row = { client: 'acme', currency: 'EUR', gatewayKey: 'a'.repeat(64) }
  for (const client of CLIENTS) {
    assert.equal(await isTaken(order(database, client)), CLIENT.test(client), `order of ${client}`)
    assert.equal(
      await isTaken(payment(database, { ...fine, client })),
      CLIENT.test(client),
      `payment of ${client}`,
    )
  }
  for (const currency of CURRENCIES) {
    assert.equal(await isTaken(payment(database, { ...fine, currency })), CURRENCY.test(currency), currency)
  }
  for (const gatewayKey of GATEWAY_KEYS) {
    assert.equal(
      await isTaken(payment(database, { ...fine, gatewayKey })),
      GATEWAY_KEY.test(gatewayKey),
      gatewayKey,
    )
  }
  const [row] = await database.run(
    (sql) => sql`
      SELECT count(*)::integer AS patterns FROM pg_constraint
      WHERE conrelid IN ('orders'::regclass, 'payments'::regclass) AND pg_get_constraintdef(oid) LIKE '%client ~%'`,
  )
  assert.equal(row?.patterns, 0)
})
