import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { sign } from '../../internal/signature/schemes.ts'
import { newKey, type Reply, send } from '../support/order-client.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const SECRET = 'super-secret-key'
const PATIENCE_MS = 60_000
const database = await createDatabase()
const settings = { DATABASE_URL: database.url, LOG_LEVEL: 'warn', SIMULATED_GATEWAY: 'delay=20ms' }
const [demo, failing, strict] = await Promise.all([
  startService({ ...settings, RATE_LIMITS: 'none', SIMULATED_FAILURE_RATE: '0' }),
  startService({ ...settings, RATE_LIMITS: 'none', SIMULATED_FAILURE_RATE: '0.6' }),
  startService({
    ...settings,
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    HMAC_SECRET: 'a-secret-of-our-own',
    API_KEYS: 'user-7:key-of-user-7',
  }),
])
const sql = postgres(database.url, { max: 2, onnotice: () => {} })
after(async () => {
  await Promise.all([demo, failing, strict].map((service) => service.kill()))
  await sql.end()
  await database.drop()
})

type Changes = Record<string, unknown>
const bodyOf = (key: string, changes: Changes = {}) =>
  JSON.stringify({ user_id: 'user-1', amount: 19.9, idempotency_key: key, ...changes })

function pay(url: string, body: string, headers: Record<string, string> = {}): Promise<Reply> {
  const all = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...headers }
  return send(`${url}/pay`, { method: 'POST', headers: all, body })
}

const rowsOf = (key: string) => sql`SELECT * FROM payments WHERE idempotency_key = ${key}`
const isReplay = ({ headers }: Reply) => headers['idempotent-replayed'] === 'true'

async function metric(url: string, name: string): Promise<number> {
  const text = (await send(`${url}/metrics`)).body.toString()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

test('without credentials a payment is made once, and the retry gets the same bytes', async () => {
  const key = newKey()
  const first = await pay(demo.url, bodyOf(key))
  assert.equal(first.status, 200, first.body.toString())
  assert.equal(isReplay(first), false)
  assert.match(
    first.body.toString(),
    new RegExp(
      `^\\{"payment":\\{"transaction_id":"[0-9a-f-]{36}","status":"completed","amount":19\\.9,"user_id":"user-1","idempotency_key":"${key}","created_at":"[^"]+Z"\\}\\}$`,
    ),
  )
  const second = await pay(demo.url, bodyOf(key))
  assert.deepEqual([second.status, isReplay(second)], [200, true])
  assert.equal(second.body.toString(), first.body.toString())
  assert.equal(second.headers['content-type'], first.headers['content-type'])
  const other = await pay(demo.url, bodyOf(key, { amount: 20 }))
  assert.deepEqual([other.status, other.code], [409, 'idempotency_key_reused'])
  const [row, ...more] = await rowsOf(key)
  assert.deepEqual(more, [])
  assert.deepEqual([row?.client, row?.scope, row?.state], ['anonymous', 'POST /pay', 'completed'])
  assert.equal(row?.response_body.toString(), first.body.toString())
})

test('when the store has forgotten the key, the payment is still there', async () => {
  const key = newKey()
  const first = await pay(demo.url, bodyOf(key))
  await sql`DELETE FROM idempotency_keys WHERE key = ${key}`
  const second = await pay(demo.url, bodyOf(key))
  assert.deepEqual([second.status, isReplay(second)], [200, true])
  assert.equal(second.body.toString(), first.body.toString())
  await sql`DELETE FROM idempotency_keys WHERE key = ${key}`
  assert.equal((await pay(demo.url, bodyOf(key, { user_id: 'other' }))).code, 'idempotency_key_reused')
})

describe('who pays', () => {
  const bearer = (key: string) => ({ Authorization: `Bearer ${key}` })
  const signed = (body: string, secret: string, key = '') => ({
    'X-Signature': sign({
      scheme: 'v1',
      secret,
      method: 'POST',
      target: '/pay',
      client: 'default',
      key,
      body,
      timestamp: Math.floor(Date.now() / 1_000),
    }),
  })

  test('credentials that are sent must be right, also where none are needed', async () => {
    const body = bodyOf(newKey())
    const wrong = await pay(demo.url, body, bearer('wrong-api-key'))
    assert.deepEqual([wrong.status, wrong.code], [401, 'api_key_invalid'])
    const forged = await pay(demo.url, body, signed(body, 'another'))
    assert.deepEqual([forged.status, forged.code], [401, 'signature_invalid'])
  })

  test('a key belongs to its caller, and v1 signs with an empty line for it', async () => {
    const key = newKey()
    const body = bodyOf(key)
    const responses = [
      await pay(demo.url, body),
      await pay(demo.url, body, bearer('test-api-key')),
      await pay(demo.url, body, signed(body, SECRET)),
    ]
    assert.deepEqual(
      responses.map((reply) => [reply.status, isReplay(reply)]),
      responses.map(() => [200, false]),
    )
    const clients = (await rowsOf(key)).map(({ client }) => client)
    assert.deepEqual(clients.sort(), ['anonymous', 'default', 'test-user'])
    const repeated = { ...signed(body, SECRET, key), 'Idempotency-Key': key }
    assert.equal(isReplay(await pay(demo.url, body, repeated)), true)
    const unsigned = { ...signed(body, SECRET), 'Idempotency-Key': key }
    assert.equal((await pay(demo.url, body, unsigned)).code, 'signature_invalid')
  })

  test('in production somebody has to say who pays', async () => {
    const body = bodyOf(newKey())
    const nobody = await pay(strict.url, body)
    assert.deepEqual([nobody.status, nobody.code], [401, 'signature_missing'])
    assert.equal((await pay(strict.url, body, bearer('key-of-user-7'))).status, 200)
    assert.equal((await pay(strict.url, body, signed(body, 'a-secret-of-our-own'))).status, 200)
  })
})

test('what is wrong with a body is refused, and nothing is paid', async () => {
  const refused: [body: string, code: string, headers?: Record<string, string>][] = [
    ['{', 'invalid_json'],
    ['', 'invalid_json'],
    ['[]', 'validation_failed'],
    ['{"user_id":"u","amount":1,"amount":2,"idempotency_key":"bad-1"}', 'invalid_json'],
    ['{"user_id":"u","amount":1}', 'idempotency_key_missing'],
    ['{"user_id":"u","amount":1}', 'idempotency_key_missing', { 'Idempotency-Key': 'bad-2' }],
    ['{"user_id":"u","amount":1,"idempotency_key":""}', 'idempotency_key_invalid'],
    [bodyOf('bad-3'), 'idempotency_key_invalid', { 'Idempotency-Key': 'bad-4' }],
    [bodyOf('bad-5', { user_id: 7 }), 'validation_failed'],
    [bodyOf('bad-6', { amount: '0.001' }), 'validation_failed'],
    [bodyOf('bad-7', { currency: 'EUR' }), 'validation_failed'],
    [bodyOf('bad-8'), 'unsupported_media_type', { 'Content-Type': 'text/plain' }],
    [bodyOf('bad-9', { user_id: 'u'.repeat(70_000) }), 'body_too_large'],
  ]
  for (const [body, code, headers] of refused) {
    assert.equal((await pay(demo.url, body, headers)).code, code, body.slice(0, 80))
  }
  const paid = await sql`SELECT 1 FROM payments WHERE idempotency_key LIKE 'bad-%'`
  assert.equal(paid.length, 0)
})

test('failures on purpose free the key, so that retries end in one payment', async () => {
  const keys = Array.from({ length: 8 }, () => newKey())
  const before = await metric(failing.url, 'payment_requests_failed')
  let failures = 0
  await Promise.all(
    keys.map(async (key) => {
      const until = Date.now() + PATIENCE_MS
      for (;;) {
        const reply = await pay(failing.url, bodyOf(key))
        if (reply.status === 200) break
        assert.deepEqual([reply.status, reply.code], [500, 'internal_error'])
        assert.match(reply.body.toString(), /"retryable":true,"retry_after_ms":\d+/)
        assert.equal(reply.headers['retry-after'], '1')
        assert.ok(Date.now() < until)
        failures++
        await sleep(5)
      }
    }),
  )
  for (const key of keys) assert.equal((await rowsOf(key)).length, 1)
  assert.ok(failures > 0)
  assert.equal((await metric(failing.url, 'payment_requests_failed')) - before, failures)
  const takenOver = await metric(failing.url, 'idempotency_outcomes_total\\{outcome="takeover"\\}')
  assert.equal(takenOver, 0, 'a key that is freed is taken afresh')
  assert.doesNotMatch(failing.log(), /request failed/, 'nobody has to look after them')
})

test('requests, failures and the share of completed payments are counted', async (t) => {
  const database = await createDatabase()
  const gateway = { SIMULATED_GATEWAY: 'delay=0ms,decline=0.5,seed=3', SIMULATED_FAILURE_RATE: '0' }
  const service = await startService({ ...settings, DATABASE_URL: database.url, ...gateway })
  t.after(async () => {
    await service.kill()
    await database.drop()
  })
  const { url } = service
  const counts = async () => [
    await metric(url, 'payment_requests_total'),
    await metric(url, 'payment_requests_failed'),
    await metric(url, 'payment_success_rate'),
  ]
  assert.deepEqual(await counts(), [0, 0, 1])
  await pay(url, bodyOf('key'), { Authorization: 'Bearer not-a-key' })
  const statuses: number[] = []
  for (const key of ['a', 'b', 'c', 'd', 'd', 'e', 'f', 'g'].map((one) => `${one}${newKey().slice(0, 4)}`)) {
    statuses.push((await pay(url, bodyOf(key))).status)
  }
  const declined = statuses.filter((status, n) => status === 402 && n !== 4).length
  assert.ok(declined > 0 && declined < 7, statuses.join())
  assert.equal(statuses[3], statuses[4], 'a declined payment is replayed as it was')
  assert.deepEqual(await counts(), [9, 0, (7 - declined) / 7], 'what was refused counts, too')
  // The bucket of 10 a second is nearly empty.
  const flood = await Promise.all(Array.from({ length: 40 }, () => pay(url, bodyOf(newKey()))))
  const limited = flood.filter(({ code }) => code === 'rate_limited')
  assert.ok(limited.length > 0)
  assert.match(String(limited[0]?.headers['retry-after']), /^\d+$/)
  const [requests] = await counts()
  assert.equal(requests, 9 + 40, 'what the limits refuse counts, too')
})

describe('100 copies of one payment, at three processes at once, are charged once', () => {
  for (const withRedis of [true, false]) {
    test(withRedis ? 'with the keys in Redis' : 'with the keys in Postgres', async (t) => {
      const redis = withRedis ? await startRedis() : undefined
      const all = { ...settings, RATE_LIMITS: 'none', SIMULATED_FAILURE_RATE: '0.3' }
      const store = redis === undefined ? all : { ...all, REDIS_URL: redis.url }
      const services = await Promise.all([1, 2, 3].map(() => startService(store)))
      t.after(async () => {
        await Promise.all(services.map((service) => service.kill()))
        await redis?.stop()
      })
      const key = newKey()
      const refused: string[] = []
      const copy = async (n: number): Promise<Reply> => {
        const until = Date.now() + PATIENCE_MS
        for (;;) {
          const reply = await pay(services[n % 3]?.url ?? '', bodyOf(key))
          if (reply.status === 200) return reply
          assert.ok(['request_in_progress', 'internal_error'].includes(reply.code), reply.body.toString())
          assert.match(String(reply.headers['retry-after']), /^[1-9]\d*$/)
          assert.ok(Date.now() < until, 'the request is in flight for too long')
          refused.push(reply.code)
          await sleep(20)
        }
      }
      const finals = await Promise.all(Array.from({ length: 100 }, (_, n) => copy(n)))
      assert.equal(new Set(finals.map(({ body }) => body.toString())).size, 1)
      assert.equal(finals.filter((reply) => !isReplay(reply)).length, 1, 'exactly one is not a replay')
      assert.equal((await rowsOf(key)).length, 1)
      assert.ok(refused.includes('request_in_progress'), 'no copy met another one in flight')
      const settled = await Promise.all(
        services.map(({ url }) => metric(url, 'payments_total\\{status="completed"\\}')),
      )
      assert.equal(
        settled.reduce((sum, one) => sum + one, 0),
        1,
      )
    })
  }
})
