import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { type Behaviour, type CountingGateway, countingGateway } from '../support/counting-gateway.ts'
import { holdOrders } from '../support/hold-orders.ts'
import { type Reply, send } from '../support/order-client.ts'
import {
  gatewayKey,
  getPayment,
  newPaymentKey,
  paymentBody,
  payPatiently,
  postPayment,
} from '../support/payment-client.ts'
import { createDatabase, freePort, startPostgres, type TestDatabase } from '../support/servers.ts'
import { type Service, type Settings, startService } from '../support/service.ts'
import { until } from '../support/until.ts'

/** A charge shows 5 s after that at the latest. */
const GATEWAY_TIMEOUT = '500ms'
const COMMON = { GATEWAY_TIMEOUT, RATE_LIMITS: 'none', IDEMPOTENCY_LEASE: '1s' }
/** Everything that takes time takes much more of it on a busy machine. */
const PATIENCE_MS = 90_000

const forgotten = new Set<string>()

/** The gateway does what the description of a payment says. */
function behave(body: string): Behaviour {
  const { description } = JSON.parse(body)
  if (description === 'forget the first') {
    if (forgotten.has(body)) return 'answer'
    forgotten.add(body)
    return 'forget'
  }
  if (description === '400') return 400
  if (description === '429') return 429
  return description ?? 'answer'
}

interface World {
  database: TestDatabase
  sql: postgres.Sql
  start(settings: Settings): Promise<Service>
  rowOf(key: string): Promise<{ id: string; state: string; attempt: number } | undefined>
  /** The steps of the payment in the audit trail: the type of each entry, and who did it. */
  eventsOf(key: string): Promise<string[]>
  close(): Promise<void>
}

/** Each has a database of its own: a service asks its gateway about every payment that it finds left open. */
async function openWorld(): Promise<World> {
  const database = await createDatabase()
  const sql = postgres(database.url, { max: 2, onnotice: () => {} })
  const services: Service[] = []
  return {
    database,
    sql,
    async start(settings) {
      const service = await startService({ DATABASE_URL: database.url, ...COMMON, ...settings })
      services.push(service)
      return service
    },
    async rowOf(key) {
      const [row] = await sql`SELECT id, state, attempt FROM payments WHERE idempotency_key = ${key}`
      if (row === undefined) return undefined
      return { id: String(row.id), state: String(row.state), attempt: Number(row.attempt) }
    },
    async eventsOf(key) {
      const rows = await sql`
        SELECT event_type, entry::json->>'by' AS by FROM audit_log
        WHERE entry::json->>'idempotency_key' = ${key} AND entry::json->>'transaction_id' IS NOT NULL
        ORDER BY seq`
      return rows.map(({ event_type, by }) => (by === null ? String(event_type) : `${event_type} ${by}`))
    },
    async close() {
      await Promise.all(services.map((service) => service.kill()))
      await sql.end()
      await database.drop()
    },
  }
}

const problem = ({ status, code, body }: Reply) => {
  assert.notEqual(code, '', body.toString())
  return `${status} ${code}`
}
const paymentOf = (reply: Reply) => JSON.parse(reply.body.toString()).payment

describe('POST /api/v1/payments', () => {
  let gateway: CountingGateway
  let service: Service
  let world: World
  before(async () => {
    gateway = await countingGateway({ behave })
    world = await openWorld()
    service = await world.start({ GATEWAY_URL: gateway.url })
  })
  after(async () => {
    await world.close()
    await gateway.close()
  })
  const chargesOf = (key: string) => gateway.charges().get(gatewayKey(key)) ?? 0

  for (const [behaviour, status] of [
    ['answer', 200],
    ['decline', 402],
  ] as const) {
    test(`charges once, ${status}, and every retry gets the same bytes, with or without its record`, async () => {
      const [key, body] = [
        newPaymentKey(),
        paymentBody({ description: behaviour, metadata: { b: '1', a: '' } }),
      ]
      const first = await postPayment(service.url, key, body)
      assert.equal(first.status, status, first.body.toString())
      assert.equal(first.headers['idempotent-replayed'], undefined)
      const { transaction_id, created_at, ...rest } = paymentOf(first)
      assert.deepEqual(rest, {
        status: status === 200 ? 'completed' : 'declined',
        amount: 19.9,
        currency: 'EUR',
        description: behaviour,
        payment_method: '****4242',
        metadata: { b: '1', a: '' },
      })
      assert.equal(first.headers.location, `/api/v1/payments/${transaction_id}`)
      assert.ok(Math.abs(Date.parse(created_at) - Date.now()) < PATIENCE_MS)

      const second = await postPayment(service.url, key, body)
      await world.sql`DELETE FROM idempotency_keys WHERE key = ${key}`
      const third = await postPayment(service.url, key, body)
      for (const again of [second, third]) {
        assert.equal(again.status, status)
        assert.equal(again.headers['idempotent-replayed'], 'true')
        assert.equal(again.headers.location, first.headers.location)
        assert.equal(again.headers['content-type'], first.headers['content-type'])
        assert.deepEqual(again.body, first.body)
      }
      await world.sql`DELETE FROM idempotency_keys WHERE key = ${key}`
      const other = await postPayment(service.url, key, paymentBody({ amount: 1 }))
      assert.equal(problem(other), '409 idempotency_key_reused')
      await world.sql`DELETE FROM idempotency_keys WHERE key = ${key}`
      const wrong = await postPayment(service.url, key, paymentBody({ amount: 0 }))
      assert.equal(problem(wrong), '409 idempotency_key_reused')
      assert.deepEqual((await postPayment(service.url, key, body)).body, first.body)
      assert.equal(chargesOf(key), 1)
      assert.deepEqual((await getPayment(service.url, transaction_id)).body, first.body)
    })
  }

  for (const behaviour of ['reset', 'malformed', 'truncated', 'fail', 'stall'] as const) {
    test(`finds the charge of a gateway that made it and then did this: ${behaviour}`, async () => {
      const [key, body] = [newPaymentKey(), paymentBody({ description: behaviour })]
      const { reply } = await payPatiently([service.url], key, body)
      assert.equal(reply.status, 200)
      assert.equal(paymentOf(reply).status, 'completed')
      assert.equal(chargesOf(key), 1)
      assert.match((await world.eventsOf(key)).at(-1) ?? '', /^payment.recovered (retry|completer)$/)
      // One that goes well: so many that do not would open the circuit.
      assert.equal((await postPayment(service.url, newPaymentKey(), paymentBody())).status, 200)
    })
  }

  test('does not charge again while the first charge may still be made, and does after that', async () => {
    const key = newPaymentKey()
    const body = paymentBody({ description: 'forget the first' })
    const first = await postPayment(service.url, key, body)
    assert.equal(problem(first), '504 backend_timeout')
    assert.ok(Number(first.headers['retry-after']) >= 1)
    const held = await world.sql`SELECT state FROM idempotency_keys WHERE key = ${key}`
    assert.equal(held[0]?.state, 'in_progress', 'its key is not free')
    const id = (await world.rowOf(key))?.id ?? ''
    assert.equal(paymentOf(await getPayment(service.url, id)).status, 'processing')
    const arrivedBefore = gateway.arrived()
    const sentAtMs = Date.now()
    const second = await postPayment(service.url, key, body)
    assert.equal(problem(second), '409 request_in_progress')
    assert.equal(gateway.arrived(), arrivedBefore)
    const { reply } = await payPatiently([service.url], key, body)
    assert.equal(reply.status, 200)
    assert.equal(gateway.arrived(), arrivedBefore + 1)
    assert.equal(chargesOf(key), 1)
    // Its 500 ms, and 5 s less what has passed since it was sent.
    assert.ok(Date.now() - sentAtMs > 2_500, `charged again after ${Date.now() - sentAtMs} ms`)
    const events = await world.eventsOf(key)
    assert.deepEqual(events.slice(0, 2), ['payment.attempted', 'payment.unknown retry'])
    assert.equal(events.at(-1), 'payment.completed')
  })

  test('a charge that is made late is found, not made again', async () => {
    const [key, body] = [newPaymentKey(), paymentBody({ description: 'late' })]
    const { reply } = await payPatiently([service.url], key, body)
    assert.equal(reply.status, 200)
    assert.equal(chargesOf(key), 1)
  })

  test('a charge that the gateway refuses leaves nothing behind, and its key free', async () => {
    const key = newPaymentKey()
    const refused = await postPayment(service.url, key, paymentBody({ description: '400' }))
    assert.equal(problem(refused), '502 backend_unreachable')
    assert.equal(await world.rowOf(key), undefined)
    const busy = await postPayment(service.url, key, paymentBody({ description: '429' }))
    assert.equal(problem(busy), '503 circuit_open')
    assert.equal(busy.headers['retry-after'], '2')
    assert.equal((await postPayment(service.url, key, paymentBody())).status, 200)
    assert.equal(chargesOf(key), 1)
    const attempt = ['payment.attempted', 'payment.abandoned']
    assert.deepEqual(await world.eventsOf(key), [
      ...attempt,
      ...attempt,
      'payment.attempted',
      'payment.completed',
    ])
  })

  test('takes keys of 16 to 255 characters of its alphabet only', async () => {
    const body = paymentBody()
    for (const key of [
      'a'.repeat(15),
      'a'.repeat(256),
      `${'a'.repeat(16)}.`,
      `${'a'.repeat(16)}/`,
      `"${'a'.repeat(16)} "`,
    ]) {
      const reply = await postPayment(service.url, key, body)
      assert.equal(problem(reply), '400 idempotency_key_invalid', key)
    }
    for (const key of ['a'.repeat(16), 'Z_-9'.repeat(63)]) {
      assert.equal((await postPayment(service.url, key, body)).status, 200)
    }
  })

  test('a body that is not valid gets 422, stored, and nothing begins', async () => {
    const [key, body] = [newPaymentKey(), paymentBody({ amount: '0.001', currency: 'EUR' })]
    const arrivedBefore = gateway.arrived()
    const first = await postPayment(service.url, key, body)
    assert.equal(problem(first), '422 validation_failed')
    const again = await postPayment(service.url, key, body)
    assert.equal(again.headers['idempotent-replayed'], 'true')
    assert.equal(await world.rowOf(key), undefined)
    assert.equal(gateway.arrived(), arrivedBefore)
  })

  test('shows no payment of nobody', async () => {
    for (const id of [randomUUID(), 'x', '1', `${randomUUID()}'`]) {
      assert.equal(problem(await getPayment(service.url, encodeURIComponent(id))), '404 not_found')
    }
  })

  test('a process that was stopped before the charge left does not send it any more', async () => {
    const [key, body] = [newPaymentKey(), paymentBody()]
    const lock = await holdOrders(world.database.url, 'payments')
    const reply = postPayment(service.url, key, body)
    await sleep(500)
    service.pause()
    await lock.release()
    await until('the payment', async () => (await world.rowOf(key)) !== undefined)
    await sleep(2_500)
    service.resume()
    assert.equal(problem(await reply), '502 backend_unreachable')
    assert.equal(chargesOf(key), 0)
    assert.equal((await postPayment(service.url, key, body)).status, 200)
    assert.equal(chargesOf(key), 1)
  })

  test('the whole payment method is nowhere but at the gateway', async () => {
    const secret = 'pm_hunter2_4242'
    for (const description of ['answer', 'reset', '400']) {
      await postPayment(service.url, newPaymentKey(), paymentBody({ description, payment_method: secret }))
    }
    const dump = await world.sql`
      SELECT (SELECT string_agg(p::text || convert_from(coalesce(response_body, ''), 'UTF8'), '') FROM payments p)
        || (SELECT string_agg(entry, '') FROM audit_log)
        || (SELECT string_agg(convert_from(coalesce(body, ''), 'UTF8'), '') FROM idempotency_keys) AS text`
    assert.match(String(dump[0]?.text), /\*\*\*\*4242/)
    assert.doesNotMatch(String(dump[0]?.text) + service.log(), /hunter2/)
  })
})

describe('payments and what fails', { concurrency: true }, () => {
  for (const finder of ['retry', 'completer'] as const) {
    test(`a service that is killed after the charge has left is followed by another one, whose ${finder} finds the charge`, async (t) => {
      const gateway = await countingGateway({ behave })
      const world = await openWorld()
      t.after(async () => {
        await world.close()
        await gateway.close()
      })
      const service = await world.start({ GATEWAY_URL: gateway.url, GATEWAY_TIMEOUT: '2s' })
      const [key, body] = [newPaymentKey(), paymentBody({ description: 'stall' })]
      const lost = postPayment(service.url, key, body).catch((error: Error) => error)
      await until('the charge', () => gateway.charges().size === 1)
      await service.kill()
      assert.ok((await lost) instanceof Error)
      assert.equal((await world.rowOf(key))?.state, 'processing')
      await service.restart()
      if (finder === 'completer') {
        await until('a settled payment', async () => (await world.rowOf(key))?.state === 'completed')
        assert.equal((await world.eventsOf(key)).at(-1), 'payment.recovered completer')
      }
      const { reply, before } = await payPatiently([service.url], key, body)
      assert.equal(reply.status, 200)
      for (const one of before) assert.match(one, /^409 request_in_progress|ECONNREFUSED|50[34] /)
      assert.equal(gateway.charges().get(gatewayKey(key)), 1)
      const id = (await world.rowOf(key))?.id ?? ''
      assert.deepEqual((await getPayment(service.url, id)).body, reply.body)
      assert.match((await world.eventsOf(key)).at(-1) ?? '', /^payment.recovered/)
    })
  }

  const oneDayOlder = async (world: World, key: string) => {
    await world.sql`
      UPDATE payments SET sent_at = sent_at - interval '1 day', lease_until = now(), check_at = now()
      WHERE idempotency_key = ${key}`
  }

  test('a database that is away when the charge gets a response costs the response, not a second charge', async (t) => {
    const gateway = await countingGateway({ behave })
    const server = await startPostgres()
    const settings = { ...COMMON, DATABASE_URL: server.url, GATEWAY_URL: gateway.url, GATEWAY_TIMEOUT: '5s' }
    const service = await startService(settings)
    t.after(async () => {
      await service.kill()
      await Promise.all([server.stop(), gateway.close()])
    })
    let go = () => {}
    gateway.hold = new Promise((resolve) => {
      go = resolve
    })
    const [key, body] = [newPaymentKey(), paymentBody()]
    const first = postPayment(service.url, key, body)
    await until('the charge', () => gateway.charges().size === 1)
    await server.kill()
    go()
    assert.equal(problem(await first), '503 store_unavailable')
    await server.restart()
    const { reply } = await payPatiently([service.url], key, body)
    assert.equal(reply.status, 200)
    assert.equal(gateway.charges().get(gatewayKey(key)), 1)
  })

  test('after a day a charge that was never made is declined, and one that the gateway does not speak of is unknown', async (t) => {
    const gateway = await countingGateway({ behave })
    const world = await openWorld()
    t.after(async () => {
      await world.close()
      await gateway.close()
    })
    const service = await world.start({ GATEWAY_URL: gateway.url })
    const body = paymentBody({ description: 'forget' })
    const [never, silent] = [newPaymentKey(), newPaymentKey()]
    for (const key of [never, silent]) {
      assert.equal(problem(await postPayment(service.url, key, body)), '504 backend_timeout')
    }
    const asked = async () => {
      const rows = await world.sql`SELECT 1 FROM payments WHERE checks > 0 AND state = 'processing'`
      return rows.length === 2
    }
    await until('a question of the completer that leaves it open', asked)
    await oneDayOlder(world, never)
    await until('a declined payment', async () => (await world.rowOf(never))?.state === 'declined')
    const declined = await postPayment(service.url, never, body)
    assert.equal(declined.status, 402)
    assert.equal(paymentOf(declined).status, 'declined')
    const [entry] = await world.sql`
      SELECT entry::json->>'reason' AS reason, entry::json->>'by' AS by FROM audit_log
      WHERE event_type = 'payment.recovered' AND entry::json->>'idempotency_key' = ${never}`
    assert.deepEqual({ ...entry }, { reason: 'expired', by: 'completer' })

    gateway.finds = 'fail'
    await oneDayOlder(world, silent)
    await until('an unknown payment', async () => (await world.rowOf(silent))?.state === 'unknown')
    await until('outcome_unknown', async () => {
      const said = problem(await postPayment(service.url, silent, body))
      // Lookups that fail open the circuit, sooner or later.
      assert.ok(['409 outcome_unknown', '503 circuit_open', '409 request_in_progress'].includes(said), said)
      return said === '409 outcome_unknown'
    })
    assert.equal(gateway.arrived(), 2, 'it is not charged again')
    gateway.finds = 'answer'
  })

  test('a payment gateway that is not there opens the circuit within ten failures; it closes by itself, and nothing was charged meanwhile', async (t) => {
    const port = await freePort()
    const world = await openWorld()
    t.after(() => world.close())
    const service = await world.start({ GATEWAY_URL: `http://127.0.0.1:${port}` })
    const settled = newPaymentKey()
    const said: string[] = []
    while (said.at(-1) !== '503 circuit_open') {
      assert.ok(said.length < 10, said.join(', '))
      said.push(problem(await postPayment(service.url, newPaymentKey(), paymentBody())))
    }
    assert.ok(
      said.slice(0, -1).every((one) => one === '502 backend_unreachable'),
      said.join(', '),
    )
    const rest = await postPayment(service.url, settled, paymentBody())
    assert.equal(problem(rest), '503 circuit_open')
    assert.ok(Number(rest.headers['retry-after']) >= 1 && Number(rest.headers['retry-after']) <= 6)
    assert.deepEqual(await world.eventsOf(settled), [], 'nothing begins while the circuit is open')
    const circuit = async () => {
      const metrics = (await send(`${service.url}/metrics`)).body.toString()
      return /circuit_state\{name="payment_gateway"\} (\d)/.exec(metrics)?.[1]
    }
    assert.notEqual(await circuit(), '0')

    const gateway = await countingGateway({ behave, port })
    t.after(() => gateway.close())
    await until('a closed circuit', async () => (await circuit()) === '0')
    assert.equal(gateway.arrived(), 0, 'no payment was risked to find out')
    assert.equal((await postPayment(service.url, settled, paymentBody())).status, 200)
    assert.equal(gateway.charges().size, 1)
    assert.match(
      (await send(`${service.url}/metrics`)).body.toString(),
      /payment_gateway_duration_seconds_count\{outcome="completed"\} 1/,
    )
  })
})

// By itself: it is a crowd already.
describe('100 copies of one payment', () => {
  test('at three processes at once are charged once and get the same response', async (t) => {
    const gateway = await countingGateway({ behave })
    const world = await openWorld()
    t.after(async () => {
      await world.close()
      await gateway.close()
    })
    const services = await Promise.all(
      [1, 2, 3].map(() => world.start({ GATEWAY_URL: gateway.url, GATEWAY_TIMEOUT: '20s' })),
    )
    const urls = services.map(({ url }) => url)
    const [key, body] = [newPaymentKey(), paymentBody()]
    const copies = await Promise.all(
      Array.from({ length: 100 }, (_, n) => payPatiently([urls[n % 3] ?? ''], key, body)),
    )
    assert.equal(gateway.arrived(), 1)
    assert.equal(gateway.charges().get(gatewayKey(key)), 1)
    for (const { reply, before } of copies) {
      assert.deepEqual(reply.body, copies[0]?.reply.body)
      // On a machine that is busy a statement may miss its deadline; that gets 503 and is tried again.
      for (const one of before) assert.match(one, /^(409 request_in_progress|503 store_unavailable)$/)
    }
    const firsts = copies.filter(({ reply }) => reply.headers['idempotent-replayed'] === undefined)
    assert.ok(firsts.length <= 1)
    assert.deepEqual(await world.eventsOf(key), ['payment.attempted', 'payment.completed'])
  })
})
