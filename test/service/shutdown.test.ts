import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { holdOrders } from '../support/hold-orders.ts'
import { newKey, orderBody, postOrder, type Reply, send } from '../support/order-client.ts'
import { met, startLoad, summary } from '../support/order-load.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { type Ending, type Service, type Settings, startService } from '../support/service.ts'

const UNDER_WAY = 10
/** Requests have been claimed and wait for their order by then. */
const SETTLE_MS = 300

describe('on SIGTERM', () => {
  test('requests under way finish, new ones get 503 shutting_down, the exit code is 0', async (t) => {
    const { service, databaseUrl } = await setUp(t, {})
    const lock = await holdOrders(databaseUrl)
    const keys = Array.from({ length: UNDER_WAY }, newKey)
    const late = Promise.all(keys.map((key) => postOrder(service.url, key, orderBody())))
    await sleep(SETTLE_MS)
    assert.equal((await send(`${service.url}/readyz`)).status, 200)

    service.signal('SIGTERM')
    const closing = service.ended()
    await untilStopping(service)
    const refused = await postOrder(service.url, newKey(), orderBody())
    const listed = await send(`${service.url}/orders`)
    for (const reply of [refused, listed]) {
      assert.equal(`${reply.status} ${reply.code}`, '503 shutting_down')
      assert.match(String(reply.headers['retry-after']), /^[1-9]\d*$/)
    }
    assert.equal((await send(`${service.url}/livez`)).status, 200)
    await lock.release()

    for (const reply of await late) {
      assert.equal(reply.status, 201)
      assert.equal(reply.headers.connection, 'close', 'its client learns not to use the connection again')
    }
    assert.deepEqual(await closing, { code: 0, signal: null })
    await assert.rejects(postOrder(service.url, newKey(), orderBody()), { code: 'ECONNREFUSED' })
    const rows = await readOrdersAt(databaseUrl)
    assert.deepEqual(rows.map((row) => row.idempotency_key).sort(), [...keys].sort())
    const answers = (await late).map(({ body }) => body.toString()).sort()
    assert.deepEqual(rows.map(({ answer_body }) => answer_body.toString()).sort(), answers)
  })

  test('a second signal ends it at once; the order is then placed once, by another process', async (t) => {
    const { service, databaseUrl, settings } = await setUp(t, { IDEMPOTENCY_LEASE: '1s' })
    const lock = await holdOrders(databaseUrl)
    const key = newKey()
    const cut = lost(postOrder(service.url, key, orderBody()))
    await sleep(SETTLE_MS)
    service.signal('SIGTERM')
    await untilStopping(service)
    const secondMs = Date.now()
    service.signal('SIGTERM')
    assert.deepEqual(await service.ended(), { code: 1, signal: null } satisfies Ending)
    const tookMs = Date.now() - secondMs
    assert.ok(tookMs < 500, `it ended after ${tookMs} ms`)
    await cut
    await lock.release()
    await placedOnceElsewhere(t, settings, databaseUrl, key)
    t.diagnostic(`ended ${tookMs} ms after the second signal`)
  })

  test('SHUTDOWN_GRACE bounds the wait; what was cut off is placed once by the retry', async (t) => {
    const { service, databaseUrl, settings } = await setUp(t, {
      ...{ SHUTDOWN_GRACE: '300ms', IDEMPOTENCY_LEASE: '1s' },
    })
    const lock = await holdOrders(databaseUrl)
    const key = newKey()
    const cut = lost(postOrder(service.url, key, orderBody()))
    await sleep(SETTLE_MS)
    const signalMs = Date.now()
    service.signal('SIGTERM')
    const ending = await service.ended()
    const tookMs = Date.now() - signalMs
    assert.deepEqual(ending, { code: 0, signal: null })
    assert.ok(tookMs >= 300, `it ended after ${tookMs} ms, before the grace was over`)
    // A second for answers to reach their clients, three for the audit trail, two for the connections to the stores.
    assert.ok(tookMs < 300 + 7_000, `it ended after ${tookMs} ms`)
    await cut
    await lock.release()
    await placedOnceElsewhere(t, settings, databaseUrl, key)
    t.diagnostic(`ended ${tookMs} ms after the signal`)
  })

  test('a rolling restart under load: no order is lost, nor the answer to any request that was executed', async (t) => {
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
      assert.equal(first.length, 1, `the first answer for ${key} did not reach its client`)
    }
    assert.equal(met(history, '503 store_unavailable'), 0, 'a process was ready before its stores were')
    assert.ok(met(history, 'ECONNREFUSED', '503 shutting_down') > 0, 'no request met a process that stops')
    t.diagnostic(summary(history))
  })
})

async function setUp(t: TestContext, own: Settings) {
  const [redis, database] = await Promise.all([startRedis(), createDatabase()])
  const settings = {
    ...{ DATABASE_URL: database.url, REDIS_URL: redis.url, RATE_LIMITS: 'none', LOG_LEVEL: 'warn' },
    ...own,
  }
  const service = await startService(settings)
  t.after(async () => {
    await service.kill()
    await Promise.all([redis.stop(), database.drop()])
  })
  return { service, databaseUrl: database.url, settings }
}

/** `/readyz` tells it at once. */
async function untilStopping(service: Service): Promise<void> {
  const deadline = Date.now() + 500
  for (;;) {
    const { status, code } = await send(`${service.url}/readyz`)
    if (`${status} ${code}` === '503 shutting_down') return
    assert.ok(Date.now() < deadline, `/readyz answers ${status} ${code} after SIGTERM`)
  }
}

/** The connection of this request ends without an answer. */
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
    rows.map(({ answer_body }) => answer_body.toString()),
    [reply.body.toString()],
  )
}
