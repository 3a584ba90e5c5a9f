import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { Webhook } from 'standardwebhooks'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { startDeliverer } from '../../internal/events/deliverer.ts'
import { addEndpoint } from '../../internal/events/endpoints.ts'
import { type Event, type EventPlace, eventId, type ReadObjects } from '../../internal/events/event.ts'
import { readEvents } from '../../internal/events/event-log.ts'
import { postWebhook } from '../../internal/events/post-webhook.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import { paymentStore } from '../../internal/payments/payment-store.ts'
import { webhookSealing } from '../../src/service/webhook-sealing.ts'
import { placement } from '../contract/order-store.ts'
import { beginning, ref, SETTLE_MS, settlement } from '../contract/payment-store.ts'
import { newKey } from '../support/clients.ts'
import { migratedDatabase } from '../support/migrated-database.ts'
import { until } from '../support/until.ts'

const CLIENT = 'acme'
const FAULTS = ['500', 'redirect', 'reset', 'stall', 'short', 'refuse'] as const
const MIN_FAULTS = 60
const PATIENCE_MS = 60_000
const LEASE_MS = 1_000
const SEALING = webhookSealing({
  production: true,
  host: '0.0.0.0',
  secretsKey: newKey().key,
  secretsKeyOld: undefined,
})
const readObjects: ReadObjects = async (_, events) =>
  new Map(events.map((event) => [eventId(event), JSON.stringify({ object: event.object })]))

/** Bugs planted on purpose, each of which the checks must find. */
interface Planted {
  /** What the checks say of it. */
  finding?: RegExp
  sql?: string
  /** Other bytes than those that were signed. */
  body?: (body: string) => string
}

const BUGS: Record<string, Planted> = {
  'an event outside of the transaction of its payment': {
    finding: /a reader missed/,
    sql: `CREATE OR REPLACE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RETURN CASE WHEN random() < 0.8 THEN NEW END; END $$;
      CREATE TRIGGER lose BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION lose()`,
  },
  'a cursor that skips what is committed late': {
    finding: /a reader missed/,
    sql: `CREATE OR REPLACE FUNCTION oncekey_events_horizon() RETURNS bigint LANGUAGE sql STABLE AS
      $$ SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint + shift FROM events_shift $$`,
  },
  'a delivery that is dropped when its node dies': {
    finding: /did not arrive/,
    sql: `CREATE OR REPLACE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.lease_until IS NOT NULL THEN NEW.state := 'delivered'; NEW.ended_at := clock_timestamp(); END IF; RETURN NEW; END $$;
      CREATE TRIGGER drop_it BEFORE UPDATE ON webhook_deliveries FOR EACH ROW EXECUTE FUNCTION drop_it()`,
  },
  'a signature over other bytes': { finding: /signatures do not verify/, body: (body) => `${body}\n` },
}

test('receivers that fail and nodes that die cost no event, and nothing else is delivered', async (t) => {
  const { faults, broken } = await run(t, {})
  t.diagnostic(`${faults} faults`)
  assert.deepEqual(broken, [])
})

for (const [name, planted] of Object.entries(BUGS)) {
  test(`${name} is found`, async (t) => {
    const { broken } = await run(t, planted)
    assert.match(broken.join('; '), planted.finding ?? /./)
  })
}

async function run(t: TestContext, planted: Planted): Promise<{ faults: number; broken: string[] }> {
  const { url, database } = await migratedDatabase(t)
  const { sql: bug } = planted
  if (bug !== undefined) await database.run((sql) => sql.unsafe(bug))
  const counts = new Map<string, number>()
  const count = (fault: string) => counts.set(fault, (counts.get(fault) ?? 0) + 1)
  const state = { healthy: false, stop: false }
  const receivers = await Promise.all([0, 1, 2].map(() => startReceiver(t, state, count)))
  for (const receiver of receivers) {
    const added = await addEndpoint(
      database,
      SEALING,
      { client: CLIENT, url: receiver.url, types: undefined },
      Date.now(),
    )
    receiver.secret = added.outcome === 'added' ? added.secret : assert.fail()
  }

  const nodes = await Promise.all([startNode(url, planted), startNode(url, planted)])
  const committed: string[] = []
  const cursor: { seen: Event[]; place: EventPlace | undefined } = { seen: [], place: undefined }
  const work = [
    place(database, committed, state),
    pay(database, committed, state),
    commitLate(url, committed, state),
    // What would take days. Only what is not due: rows that are written again and again slow down all that reads them.
    everyMoment(state, () =>
      database.run(
        (sql) => sql`UPDATE webhook_deliveries SET next_at = clock_timestamp(), failures = 0
          WHERE state = 'pending' AND lease_until IS NULL AND next_at > clock_timestamp()`,
      ),
    ),
    everyMoment(state, () => readOn(database, cursor)),
    (async () => {
      for (let n = 0; !state.stop; n++) {
        await sleep(400)
        const dead = nodes[n % nodes.length]
        if (dead === undefined || state.healthy) continue
        count('node killed')
        await dead.kill()
        nodes[n % nodes.length] = await startNode(url, planted)
      }
    })(),
  ]
  const isPlanted = bug !== undefined || planted.body !== undefined
  const [kills, atLeast] = isPlanted ? [3, 20] : [10, MIN_FAULTS]
  await until(
    'enough faults have hit',
    () => {
      const faults = FAULTS.map((fault) => counts.get(fault) ?? 0)
      const hit = isPlanted || Math.min(...faults) > 0
      return hit && (counts.get('node killed') ?? 0) >= kills && sum(counts) >= atLeast
    },
    PATIENCE_MS,
  )
  state.healthy = true
  await sleep(500)
  state.stop = true
  await Promise.all(work)
  let broken: string[] = []
  const pending = async () =>
    (await database.run((sql) => sql`SELECT 1 FROM webhook_deliveries WHERE state = 'pending' LIMIT 1`))
      .length
  const settled = async () => {
    await database.run(
      (sql) =>
        sql`UPDATE webhook_deliveries SET next_at = clock_timestamp()
          WHERE state = 'pending' AND lease_until IS NULL AND next_at > clock_timestamp()`,
    )
    await readOn(database, cursor)
    broken = await check(database, { committed, receivers, seen: cursor.seen })
    return broken.length === 0 && (await pending()) === 0
  }
  // A planted bug never becomes right: then the time is over with what is broken.
  await until('every event is delivered', settled, isPlanted ? 4_000 : 90_000).catch(() => {})
  await Promise.all(nodes.map((node) => node.kill()))
  return { faults: sum(counts), broken }
}

interface Receiver {
  url: string
  secret: string
  /** What it has answered with 200. */
  taken: Set<string>
  /** What it got, whatever it answered. */
  got: Set<string>
  badSignatures: number
}

async function startReceiver(
  t: TestContext,
  state: { healthy: boolean },
  count: (fault: string) => void,
): Promise<Receiver> {
  const receiver: Receiver = { url: '', secret: '', taken: new Set(), got: new Set(), badSignatures: 0 }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => {})
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      )
      const id = headers['webhook-id'] ?? ''
      receiver.got.add(id)
      try {
        new Webhook(receiver.secret).verify(Buffer.concat(chunks).toString(), headers)
      } catch {
        receiver.badSignatures++
      }
      const fault =
        state.healthy || Math.random() < 0.4 ? undefined : FAULTS[Math.floor(Math.random() * FAULTS.length)]
      if (fault === undefined) {
        receiver.taken.add(id)
        response.end('ok')
        return
      }
      count(fault)
      misbehave(fault, response, request.socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return receiver
}

function misbehave(fault: (typeof FAULTS)[number], response: ServerResponse, socket: Socket): void {
  if (fault === '500') response.writeHead(500).end('no')
  else if (fault === 'redirect') response.writeHead(307, { Location: 'http://127.0.0.1:1/' }).end()
  else if (fault === 'reset') socket.resetAndDestroy()
  else if (fault === 'stall') setTimeout(() => socket.destroy(), 300)
  else if (fault === 'short') socket.end('HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\nshort')
  else socket.end('not HTTP at all\r\n\r\n')
}

/** A node with connections of its own, which are gone at once when it is killed. */
async function startNode(url: string, { body = (text) => text }: Planted) {
  const own = openDatabase(url, { maxConnections: 2 })
  let isDead = false
  const deliverer = startDeliverer({
    database: own,
    sealing: SEALING,
    readObjects,
    post: (request) =>
      isDead
        ? Promise.reject(new Error('dead'))
        : postWebhook({ ...request, body: body(request.body), timeoutMs: 800, allowLocal: true }),
    now: Date.now,
    random: Math.random,
    everyMs: 50,
    leaseMs: LEASE_MS,
  })
  return {
    async kill() {
      isDead = true
      await own.close()
      await deliverer.close().catch(() => {})
    },
  }
}

async function place(database: Database, committed: string[], state: { stop: boolean }): Promise<void> {
  const orders = orderStore(database)
  while (!state.stop) {
    const batch = Array.from({ length: 3 }, () => ({ ...placement(), client: CLIENT }))
    await Promise.all(batch.map((one) => orders.place(one)))
    committed.push(...batch.map(({ order }) => order.id))
    await sleep(50)
  }
}

async function pay(database: Database, committed: string[], state: { stop: boolean }): Promise<void> {
  const payments = paymentStore(database, { settleMs: SETTLE_MS })
  while (!state.stop) {
    const one = beginning({ client: CLIENT })
    await payments.begin(one)
    await payments.settle(ref(one), settlement())
    committed.push(one.payment.id)
    await sleep(50)
  }
}

/** Orders in transactions that stay open while others commit, every second of which is rolled back. */
async function commitLate(url: string, committed: string[], state: { stop: boolean }): Promise<void> {
  const sql = postgres(url, { max: 1 })
  for (let n = 0; !state.stop; n++) {
    const { order } = placement()
    await sql
      .begin(async (late) => {
        await late`
          INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status, response_body,
            created_at)
          VALUES (${CLIENT}, ${order.id}, ${order.key}, sha256(''), 'u', 'i', 1, 201, '', now())`
        await sleep(150)
        if (n % 2 === 1) throw new Error('rolled back')
      })
      .then(() => committed.push(order.id))
      .catch(() => {})
  }
  await sql.end()
}

async function everyMoment(state: { stop: boolean }, act: () => Promise<unknown>): Promise<void> {
  while (!state.stop) {
    await act()
    await sleep(40)
  }
}

/** A reader that pages by cursor while everything goes on. */
async function readOn(
  database: Database,
  cursor: { seen: Event[]; place: EventPlace | undefined },
): Promise<void> {
  const page = await readEvents(database, CLIENT, { after: cursor.place, type: undefined, limit: 50 })
  cursor.seen.push(...page)
  cursor.place = page.at(-1) ?? cursor.place
}

async function check(
  database: Database,
  {
    committed,
    receivers,
    seen,
  }: { committed: readonly string[]; receivers: readonly Receiver[]; seen: readonly Event[] },
): Promise<string[]> {
  const broken: string[] = []
  const ids = seen.map(eventId)
  if (new Set(ids).size !== ids.length) broken.push('a reader saw an event twice')
  const objects = new Set(seen.map(({ object }) => object))
  const missed = committed.filter((id) => !objects.has(id))
  if (missed.length > 0) broken.push(`a reader missed ${missed.length} of ${committed.length}`)
  if (objects.size > committed.length) broken.push('a reader saw what was not committed')
  const known = new Set(ids)
  const failed = await database.run((sql) => sql`SELECT 1 FROM webhook_deliveries WHERE state = 'failed'`)
  for (const { taken, got, badSignatures } of receivers) {
    const lost = ids.filter((id) => !taken.has(id)).length
    if (lost > failed.length) broken.push(`${lost} events did not arrive`)
    if ([...got].some((id) => !known.has(id))) broken.push('something was delivered that is no event')
    if (badSignatures > 0) broken.push(`${badSignatures} signatures do not verify`)
  }
  return broken
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, n) => total + n, 0)
}
