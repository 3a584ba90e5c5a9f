import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SAME_SIGNAL_MS } from '../../src/runtime/run-service.ts'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { holdOrders } from '../support/hold-orders.ts'
import { newKey, orderBody, postOrder, type Reply, send } from '../support/order-client.ts'
import { met, startLoad, summary } from '../support/order-load.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { type Ending, type Service, type Settings, startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const IN_FLIGHT = 10
/** Fewer than the port keeps (511), more than a few turns of the event loop take. */
const WAITING = 200

describe('on SIGTERM', () => {
  test('requests in flight finish, new ones get 503 shutting_down, the exit code is 0', async (t) => {
    const { service, databaseUrl } = await setUp(t, {})
    // With the table of orders locked it is not ready.
    assert.equal((await send(`${service.url}/readyz`)).status, 200)
    const lock = await holdOrders(databaseUrl)
    const keys = Array.from({ length: IN_FLIGHT }, newKey)
    const late = Promise.all(keys.map((key) => postOrder(service.url, key, orderBody())))
    await untilInFlight(service, IN_FLIGHT)

    service.signal('SIGTERM')
    const closing = service.ended()
    await untilStopping(service)
    // At once: an order that waits for its table waits for a few seconds only.
    const [refused, listed, ready, alive] = await Promise.all([
      postOrder(service.url, newKey(), orderBody()),
      send(`${service.url}/orders`),
      send(`${service.url}/readyz`),
      send(`${service.url}/livez`),
    ])
    await lock.release()
    assert.equal(`${ready.status} ${ready.code}`, '503 shutting_down')
    for (const reply of [refused, listed]) {
      assert.equal(`${reply.status} ${reply.code}`, '503 shutting_down')
      assert.match(String(reply.headers['retry-after']), /^[1-9]\d*$/)
    }
    assert.equal(alive.status, 200)

    for (const reply of await late) {
      assert.equal(reply.status, 201)
      assert.equal(reply.headers.connection, 'close', 'its client learns not to use the connection again')
    }
    assert.deepEqual(await closing, { code: 0, signal: null })
    await assert.rejects(postOrder(service.url, newKey(), orderBody()), { code: 'ECONNREFUSED' })
    const rows = await readOrdersAt(databaseUrl)
    assert.deepEqual(rows.map((row) => row.idempotency_key).sort(), [...keys].sort())
    const responses = (await late).map(({ body }) => body.toString()).sort()
    assert.deepEqual(rows.map(({ response_body }) => response_body.toString()).sort(), responses)
  })

  test('a second signal ends it at once; the order is then placed once, by another process', async (t) => {
    const { service, databaseUrl, settings } = await setUp(t, { IDEMPOTENCY_LEASE: '1s' })
    const lock = await holdOrders(databaseUrl)
    const key = newKey()
    const cut = lost(postOrder(service.url, key, orderBody()))
    await untilInFlight(service, 1)
    await lock.reached(1)
    service.signal('SIGTERM')
    await untilStopping(service)
    await sleep(SAME_SIGNAL_MS)
    const secondMs = Date.now()
    service.signal('SIGTERM')
    assert.deepEqual(await service.ended(), { code: 1, signal: null } satisfies Ending)
    const tookMs = Date.now() - secondMs
    // Far from SHUTDOWN_GRACE, which a first signal would wait for.
    assert.ok(tookMs < 5_000, `it ended after ${tookMs} ms`)
    await cut
    await lock.release()
    await placedOnceElsewhere(t, settings, databaseUrl, key)
    t.diagnostic(`ended ${tookMs} ms after the second signal`)
  })

  test('a connection that waits at the port gets its 503, however many there are', async (t) => {
    const { service } = await setUp(t, { SHUTDOWN_GRACE: '1ms' })
    const { port } = new URL(service.url)
    // It takes none of them, and the kernel connects them all the same.
    service.signal('SIGSTOP')
    const replies = Array.from({ length: WAITING }, async () => {
      const socket = connect(Number(port), '127.0.0.1')
      await once(socket, 'connect')
      socket.write('GET /orders HTTP/1.1\r\nHost: a\r\n\r\n')
      return { first: once(socket, 'data').finally(() => socket.destroy()) }
    })
    const sent = await Promise.all(replies)
    service.signal('SIGTERM')
    service.signal('SIGCONT')
    const firsts = await Promise.all(sent.map(({ first }) => first.catch(String)))
    const words = firsts.map((first) => String(first).slice(0, 'HTTP/1.1 503'.length))
    assert.deepEqual([...new Set(words)], ['HTTP/1.1 503'])
    assert.deepEqual(await service.ended(), { code: 0, signal: null })
  })

  test('SHUTDOWN_GRACE bounds the wait; what was cut off is placed once by the retry', async (t) => {
    const { service, databaseUrl, settings } = await setUp(t, {
      SHUTDOWN_GRACE: '300ms',
      IDEMPOTENCY_LEASE: '1s',
    })
    const lock = await holdOrders(databaseUrl)
    const key = newKey()
    const cut = lost(postOrder(service.url, key, orderBody()))
    await untilInFlight(service, 1)
    await lock.reached(1)
    const signalMs = Date.now()
    service.signal('SIGTERM')
    const ending = await service.ended()
    const tookMs = Date.now() - signalMs
    assert.deepEqual(ending, { code: 0, signal: null })
    assert.ok(tookMs >= 300, `it ended after ${tookMs} ms, before the grace was over`)
    // A second for responses to reach their clients, three for the audit trail, two for the connections to the stores.
    assert.ok(tookMs < 300 + 7_000, `it ended after ${tookMs} ms`)
    await cut
    await lock.release()
    await placedOnceElsewhere(t, settings, databaseUrl, key)
    t.diagnostic(`ended ${tookMs} ms after the signal`)
  })

  test('a rolling restart under load: no order is lost, nor the response to any request that was executed', async (t) => {
    const { service, databaseUrl, settings } = await setUp(t, {})
    const other = await startService(settings)
    t.after(() => other.kill())
    const load = startLoad({ urls: [service.url, other.url] })
    for (const one of [service, other, service]) {
      await load.more(200)
      assert.deepEqual(await one.stop(), { code: 0, signal: null })
      await one.restart()
    }
    await load.more(200)
    const history = await load.finish()
    checkOrders(await readOrdersAt(databaseUrl), history.sent)
    for (const { key, finals } of history.sent) {
      const first = finals.filter(({ headers }) => headers['idempotent-replayed'] === undefined)
      assert.equal(first.length, 1, `the first response for ${key} did not reach its client`)
    }
    assert.equal(met(history, '503 store_unavailable'), 0, 'a process was ready before its stores were')
    assert.ok(met(history, 'ECONNREFUSED', '503 shutting_down') > 0, 'no request met a process that stops')
    t.diagnostic(summary(history))
  })
})

async function setUp(t: TestContext, own: Settings) {
  const [redis, database] = await Promise.all([startRedis(), createDatabase()])
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    RATE_LIMITS: 'none',
    LOG_LEVEL: 'warn',
    ...own,
  }
  const service = await startService(settings)
  t.after(async () => {
    await service.kill()
    await Promise.all([redis.stop(), database.drop()])
  })
  return { service, databaseUrl: database.url, settings }
}

/** So many requests have arrived, beside the one that asks. */
async function untilInFlight({ url }: Service, count: number): Promise<void> {
  await until(`${count} requests are in flight`, async () => {
    const { body } = await send(`${url}/metrics`)
    return Number(/^http_requests_in_flight (\d+)$/m.exec(body.toString())?.[1]) > count
  })
}

/** Asked without a signature, which is refused before the table of orders is looked at: `/readyz` waits for it. */
async function untilStopping({ url }: Service): Promise<void> {
  await until('it refuses requests', async () => {
    const { status, code } = await send(`${url}/orders`)
    return `${status} ${code}` === '503 shutting_down'
  })
}

/** The connection of this request ends without a response. */
async function lost(request: Promise<Reply>): Promise<void> {
  await assert.rejects(request, { code: 'ECONNRESET' })
}

async function placedOnceElsewhere(t: TestContext, settings: Settings, databaseUrl: string, key: string) {
  const next = await startService(settings)
  t.after(() => next.kill())
  const deadline = Date.now() + 3_000
  let reply = await postOrder(next.url, key, orderBody())
  while (reply.code === 'request_in_progress' && Date.now() < deadline) {
    await sleep(50)
    reply = await postOrder(next.url, key, orderBody())
  }
  assert.equal(reply.status, 201, reply.body.toString())
  const rows = await readOrdersAt(databaseUrl)
  assert.deepEqual(
    rows.map(({ response_body }) => response_body.toString()),
    [reply.body.toString()],
  )
}
