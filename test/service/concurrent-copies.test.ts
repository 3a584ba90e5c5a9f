import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readOrdersAt } from '../support/check-orders.ts'
import { newKey, orderBody, orderHeaders, type Reply, send } from '../support/order-client.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { type Settings, startService } from '../support/service.ts'

const PROCESSES = 3
const COPIES = 100
const ROUNDS = 5
const PATIENCE_MS = 60_000

describe('100 copies of one signed request, at three processes at once, place one order', () => {
  test('with the keys in Redis', async (t) => {
    const redis = await startRedis()
    t.after(() => redis.stop())
    t.diagnostic(await copies({ REDIS_URL: redis.url }))
  })

  test('with the keys in Postgres, without Redis', async (t) => {
    t.diagnostic(await copies({}, 'wait'))
  })
})

/**
 * `met`: what becomes of a copy that meets another one in flight. Where the order's row is the record of its key it waits,
 * so that there it shows by itself only that copies were sent before the first response came.
 */
async function copies(settings: Settings, met: 'is refused' | 'wait' = 'is refused'): Promise<string> {
  const database = await createDatabase()
  const all = { ...settings, DATABASE_URL: database.url, RATE_LIMITS: 'none', LOG_LEVEL: 'warn' }
  const services = await Promise.all(Array.from({ length: PROCESSES }, () => startService(all)))
  try {
    const urls = services.map(({ url }) => url)
    let conflicts = 0
    let responses = 0
    let early = 0
    for (let round = 1; round <= ROUNDS; round++) {
      const { finals, refused, sentEarly } = await race(urls)
      conflicts += refused
      early += sentEarly
      responses += finals.length
      assert.equal(finals.length, COPIES)
      const [first] = finals
      assert.ok(first)
      for (const { body, headers } of finals) {
        assert.equal(body.toString(), first.body.toString())
        assert.equal(headers.location, first.headers.location)
      }
      assert.equal(finals.filter(isFirst).length, 1, 'exactly one response is not a replay')
      const rows = await readOrdersAt(database.url)
      assert.equal(rows.length, round, 'one order for each key')
      assert.ok(rows.some(({ response_body }) => response_body.equals(first.body)))
    }
    assert.ok(early > ROUNDS, 'the copies did not run at once')
    if (met === 'is refused') assert.ok(conflicts > 0, 'no copy met another one in flight')
    return `${responses} copies of ${ROUNDS} requests: ${ROUNDS} orders; ${conflicts} x 409 request_in_progress on the way`
  } finally {
    await Promise.all(services.map((service) => service.kill()))
    await database.drop()
  }
}

/** All copies at once; those that came while another was in flight ask again, with the very same bytes. */
async function race(urls: readonly string[]) {
  const body = orderBody({ amount: randomInt(1, 1_000_000) / 100 })
  const headers = orderHeaders(newKey(), body)
  let refused = 0
  let sent = 0
  let sentEarly: number | undefined
  const copy = async (n: number): Promise<Reply> => {
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      sent++
      const reply = await send(`${urls[n % urls.length]}/orders`, { method: 'POST', headers, body })
      sentEarly ??= sent
      if (reply.status === 201) return reply
      assert.equal(`${reply.status} ${reply.code}`, '409 request_in_progress', reply.body.toString())
      assert.match(String(reply.headers['retry-after']), /^[1-9]\d*$/)
      assert.ok(Date.now() < deadline, 'the request is in flight for too long')
      refused++
      await sleep(20)
    }
  }
  const finals = await Promise.all(Array.from({ length: COPIES }, (_, n) => copy(n)))
  return { finals, refused, sentEarly: sentEarly ?? 0 }
}

function isFirst({ headers }: Reply): boolean {
  return headers['idempotent-replayed'] === undefined
}
