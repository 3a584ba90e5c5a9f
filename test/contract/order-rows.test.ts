import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { ServiceError } from '../../internal/core/service-error.ts'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { type HandlerResult, IdempotencyEngine, type Outcome } from '../../internal/idempotency/engine.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { ReplayCache } from '../../internal/idempotency/replay-cache.ts'
import { behindRows, RowEngine } from '../../internal/idempotency/row-engine.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { orderRow } from '../../src/service/order-keys.ts'
import { newKeyId } from '../support/key-id.ts'
import { createDatabase } from '../support/servers.ts'
import { placement } from './order-store.ts'

// The order's row as the record of its key: the engine and the store of a node that has PostgreSQL only.
let url: string
let drop: () => Promise<void>
let database: Database
before(async () => {
  const created = await createDatabase()
  url = created.url
  drop = created.drop
  database = openDatabase(url)
  await migrate(database, SQL_DIRECTORY)
})
after(async () => {
  await database.close()
  await drop()
})

const SCOPE = 'POST /orders'
const ONE = 'a'.repeat(64)
const OTHER = 'b'.repeat(64)
const refusedWith = (code: string) => (error: unknown) => error instanceof ServiceError && error.code === code

/** A node with connections of its own; `statements` counts what it sends. */
function node({ waitMs, ttlMs = 86_400_000 }: { waitMs?: number; ttlMs?: number } = {}) {
  let statements = 0
  const counted: Database = {
    ...database,
    run(statement, deadlineMs) {
      statements++
      return database.run(statement, deadlineMs)
    },
  }
  const outcomes: Outcome[] = []
  const onOutcome = (outcome: Outcome) => void outcomes.push(outcome)
  const records = postgresStore(counted, { ttlMs })
  const orders = orderStore(counted, { recordsOf: SCOPE })
  const replays = new ReplayCache({ ttlMs })
  const verbs: string[] = []
  const onVerb = (verb: string) => void verbs.push(verb)
  const claiming = new IdempotencyEngine({
    store: behindRows(records, orderRow(orders.standing), onVerb),
    onVerb,
    replays,
    leaseMs: 3_000,
    maxAgeMs: 60_000,
    onUnknown: 'takeover',
    onOutcome,
  })
  const engine = new RowEngine({ claiming, replays, onOutcome, ...(waitMs === undefined ? {} : { waitMs }) })
  return { engine, orders, outcomes, verbs, statements: () => statements }
}
type Node = ReturnType<typeof node>

/** What the middleware and the handler do with an order. */
async function place({ engine, orders }: Node, id: ReturnType<typeof newKeyId>, fingerprint = ONE) {
  const mine = placement({ key: id.key }, fingerprint)
  const { response, replayed } = await engine.run(id, fingerprint, async (): Promise<HandlerResult> => {
    const placed = await orders.place(mine)
    if (placed.outcome === 'created')
      return {
        response: responseOf(mine.response.body),
        outcome: 'completed',
        replayed: false,
        row: 'stands',
      }
    if (placed.outcome === 'existing')
      return {
        response: responseOf(placed.response.body),
        outcome: 'completed',
        replayed: true,
        row: 'stands',
      }
    const row = placed.outcome === 'mismatch' ? { mismatch: placed.fingerprint } : undefined
    return { response: responseOf('', 409), outcome: 'not_executed', replayed: false, row }
  })
  return { status: response.status, body: response.body.toString(), replayed }
}

async function refuse({ engine }: Node, id: ReturnType<typeof newKeyId>, fingerprint = ONE) {
  const body = `no ${randomUUID()}`
  const handle = async (): Promise<HandlerResult> => ({
    response: responseOf(body, 422),
    outcome: 'completed',
    replayed: false,
  })
  const { response, replayed } = await engine.run(id, fingerprint, handle)
  return { status: response.status, body: response.body.toString(), replayed }
}

const responseOf = (body: string, status = 201) => ({ status, headers: {}, body: Buffer.from(body) })

async function ordersUnder(key: string): Promise<number> {
  const [row] = await database.run(
    (sql) => sql`SELECT count(*)::int AS n FROM orders WHERE idempotency_key = ${key}`,
  )
  return Number(row?.n)
}

test('a new order is one statement, and so is its first replay on another node', async () => {
  const one = node()
  const id = newKeyId()
  const first = await place(one, id)
  assert.deepEqual([first.replayed, one.statements()], [false, 1])
  const other = node()
  for (let n = 0; n < 2; n++) assert.deepEqual(await place(other, id), { ...first, replayed: true })
  assert.equal(other.statements(), 1, 'the second replay is read from memory')
  assert.deepEqual([one.outcomes, other.outcomes], [['fresh'], ['replay', 'replay']])
})

test('the time of each verb is told, also of the release of a claim that gives way to a row', async () => {
  const one = node()
  const id = newKeyId()
  await place(one, id)
  await refuse(one, newKeyId())
  assert.deepEqual(one.verbs.splice(0), ['claim', 'complete'])
  await refuse(one, id)
  assert.deepEqual(one.verbs, ['release', 'claim'])
})

test('of 30 copies on one node one is executed, and the others wait for its response', async () => {
  const one = node()
  const id = newKeyId()
  const results = await Promise.all(Array.from({ length: 30 }, () => place(one, id)))
  assert.equal(results.filter(({ replayed }) => !replayed).length, 1)
  assert.equal(new Set(results.map(({ body }) => body)).size, 1)
  assert.equal(await ordersUnder(id.key), 1)
  assert.ok(one.statements() <= 2, `${one.statements()} statements`)
})

test('of copies on three nodes one is executed, and the others replay its response', async () => {
  const nodes = [node(), node(), node()]
  for (let round = 0; round < 20; round++) {
    const id = newKeyId()
    const results = await Promise.all(nodes.map((one) => place(one, id)))
    assert.equal(results.filter(({ replayed }) => !replayed).length, 1)
    assert.equal(new Set(results.map(({ body }) => body)).size, 1)
    assert.equal(await ordersUnder(id.key), 1)
  }
})

test('another request with the key gets 409, also while the first is in flight', async () => {
  const one = node()
  const id = newKeyId()
  const first = place(one, id)
  await assert.rejects(place(one, id, OTHER), refusedWith('idempotency_key_reused'))
  await first
  const results = await Promise.all(
    [place(node(), id, OTHER), refuse(node(), id, OTHER)].map((one) => one.catch((error: unknown) => error)),
  )
  for (const [n, result] of results.entries()) {
    // The handler of an order reports it by itself, a refusal finds it out with the claim.
    if (n === 0)
      assert.ok(typeof result === 'object' && result !== null && 'status' in result && result.status === 409)
    else assert.ok(refusedWith('idempotency_key_reused')(result), String(result))
  }
  assert.deepEqual(one.outcomes, ['mismatch', 'fresh'])
  assert.equal(await ordersUnder(id.key), 1)
})

test('a conflict is one statement, and the same again none; the request that has the order still gets its response', async () => {
  const id = newKeyId()
  const first = await place(node(), id)
  const one = node()
  assert.equal((await place(one, id, OTHER)).status, 409)
  for (let n = 0; n < 2; n++)
    await assert.rejects(place(one, id, OTHER), refusedWith('idempotency_key_reused'))
  assert.equal(one.statements(), 1)
  assert.deepEqual(await place(one, id), { ...first, replayed: true })
  assert.deepEqual(one.outcomes, ['mismatch', 'mismatch', 'mismatch', 'replay'])
})

test('a copy waits so long and no longer for a request that hangs', async () => {
  const one = node({ waitMs: 20 })
  const id = newKeyId()
  let goOn = () => {}
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const first = one.engine.run(id, ONE, async () => {
    await held
    return { response: responseOf('late'), outcome: 'completed', replayed: false, row: 'stands' }
  })
  await assert.rejects(place(one, id), refusedWith('request_in_progress'))
  goOn()
  assert.equal((await first).response.body.toString(), 'late')
  assert.equal((await place(one, id)).status, 201, 'the key is free in memory again')
})

test('a copy is executed where the request that it waited for failed', async () => {
  const one = node()
  const id = newKeyId()
  const failed = one.engine.run(id, ONE, async () => ({
    response: responseOf('', 503),
    outcome: 'not_executed',
    replayed: false,
  }))
  const copy = place(one, id)
  await failed
  assert.deepEqual((await copy).replayed, false)
})

test('a refusal has a record: it is replayed on every node, and no order takes its key', async () => {
  const [one, other] = [node(), node()]
  const id = newKeyId()
  const first = await refuse(one, id)
  assert.equal(first.status, 422)
  for (const each of [one, other]) assert.deepEqual(await refuse(each, id), { ...first, replayed: true })
  for (const each of [one, other, node()])
    await assert.rejects(place(each, id, OTHER), refusedWith('idempotency_key_reused'))
  assert.equal(await ordersUnder(id.key), 0)
})

test('the record of a refusal ends after its time, and an order may take the key', async () => {
  const one = node({ ttlMs: 1 })
  const id = newKeyId()
  await refuse(one, id)
  let placed = await place(one, id, OTHER).catch(() => undefined)
  while (placed === undefined) placed = await place(one, id, OTHER).catch(() => undefined)
  assert.equal(placed.replayed, false)
  assert.equal(await ordersUnder(id.key), 1)
})

test('a refusal does not take the key of an order, and its replay goes on', async () => {
  const id = newKeyId()
  const first = await place(node(), id)
  await assert.rejects(refuse(node(), id, OTHER), refusedWith('idempotency_key_reused'))
  assert.deepEqual(await refuse(node(), id), { ...first, replayed: true })
  assert.deepEqual(await place(node(), id), { ...first, replayed: true })
})

test('an order is placed under a key that a node of the version before holds for the same request', async () => {
  const id = newKeyId()
  const store = postgresStore(database, { ttlMs: 60_000 })
  await store.claim(id, ONE, 'c'.repeat(32), 60_000)
  await assert.rejects(place(node(), id, OTHER), refusedWith('idempotency_key_reused'))
  assert.equal((await place(node(), id)).replayed, false)
  assert.equal(await ordersUnder(id.key), 1)
})
