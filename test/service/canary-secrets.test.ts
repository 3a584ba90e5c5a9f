import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startProxy } from '../support/proxy.ts'
import { exchange } from '../support/raw-http.ts'
import { GOOD_BODY, newKey, signedGet, signedOrder, v1 } from '../support/raw-order.ts'
import { oncekey } from '../support/run-command.ts'
import {
  createDatabase,
  freePort,
  startRedis,
  type TestDatabase,
  type ThrowawayServer,
} from '../support/servers.ts'
import { type Service, type Settings, startService } from '../support/service.ts'
import { until } from '../support/until.ts'

// Everything that is secret is noted here when it comes into being, and searched in everything that can be read.

const secrets = new Map<string, string>()
const secret = (name: string, value = `canary-${name}-${randomBytes(6).toString('hex')}`) => {
  secrets.set(name, value)
  return value
}

const HMAC_SECRET = secret('hmac')
const API_KEY = secret('api-key')
const OPERATOR_TOKEN = secret('operator-token')
const DATABASE_PASSWORD = secret('database-password')
const SECRETS_KEY = secret('secrets-key', randomBytes(32).toString('base64'))
const PAYMENT_METHOD = `${secret('payment-method')}-4242`
const GUESSED_TOKEN = secret('guessed-token')
const COOKIE = secret('cookie')

/** Throws as a defect would, with what a driver's error may carry. */
const DEFECT = `--import data:text/javascript,${encodeURIComponent(`
  process.on('SIGUSR2', () => {
    const { HMAC_SECRET, API_KEYS, SECRETS_KEY } = process.env
    const cause = Object.assign(new Error('below'), { args: [SECRETS_KEY] })
    throw Object.assign(new Error('boom', { cause }), { query: HMAC_SECRET, parameters: [API_KEYS] })
  })`).replaceAll("'", '%27')}`

let database: TestDatabase
let redis: ThrowawayServer
let settings: Settings
let service: Service

before(async () => {
  database = await createDatabase()
  redis = await startRedis()
  const url = new URL(database.url)
  url.password = DATABASE_PASSWORD
  settings = {
    DATABASE_URL: url.href,
    REDIS_URL: redis.url,
    HMAC_SECRET,
    SECRETS_KEY,
    OPERATOR_TOKEN,
    API_KEYS: `payer:${API_KEY}`,
    RATE_LIMITS: 'none',
    LOG_LEVEL: 'trace',
    SIMULATED_FAILURE_RATE: '0',
  }
})
after(async () => {
  await Promise.all([database.drop(), redis.stop()])
})

function assertClean(where: string, text: string): void {
  for (const [name, value] of secrets) assert.ok(!text.includes(value), `${name} is in ${where}: ${text}`)
}

/** What a command wrote, both streams. */
async function told(args: string[], own: Settings = {}): Promise<string> {
  const { stdout, stderr } = await oncekey(args, { ...settings, ...own })
  return `${stdout}\n${stderr}`
}

describe('no secret is in what commands write', () => {
  test('a new secret is shown once, to who made it, and nothing else with it', async () => {
    await told(['migrate'])
    for (const args of [
      ['clients', 'add', 'acme'],
      ['clients', 'rotate', 'acme'],
    ]) {
      const { stdout, stderr, code } = await oncekey(args, settings)
      assert.equal(code, 0, stderr)
      assertClean(args.join(' '), `${stdout}\n${stderr}`)
      const [shown] = /[\w+/=-]{32,}/.exec(stdout) ?? []
      assert.ok(shown, stdout)
      secret(args.join(' '), shown)
    }
    assertClean('clients list', await told(['clients', 'list']))
  })

  for (const [name, args, own] of [
    ['the settings in force', ['serve', '--print-config'], {}],
    ['doctor', ['doctor'], {}],
    [
      'doctor, without its servers',
      ['doctor'],
      { DATABASE_URL: `postgres://u:${DATABASE_PASSWORD}@127.0.0.1:1/a` },
    ],
    [
      'settings that are wrong',
      ['serve'],
      { API_KEYS: API_KEY, SECRETS_KEY: `${SECRETS_KEY}x`, OPERATOR_TOKEN: 'x' },
    ],
    ['an address that is none', ['serve'], { DATABASE_URL: `postgres//u:${DATABASE_PASSWORD}@h` }],
    [
      'a database that is away',
      ['migrate'],
      { DATABASE_URL: `postgres://u:${DATABASE_PASSWORD}@127.0.0.1:1/a` },
    ],
    ['a signature', ['sign', '--key', 'k', '-d', GOOD_BODY, '/orders'], { ONCEKEY_SECRET: HMAC_SECRET }],
    [
      'a curl command',
      ['sign', '--curl', '-d', GOOD_BODY, 'http://127.0.0.1:1/orders'],
      { ONCEKEY_SECRET: HMAC_SECRET },
    ],
    [
      'why a signature is wrong',
      ['verify', '--signature', '0'.repeat(64), '-d', GOOD_BODY, '/orders'],
      { ONCEKEY_SECRET: HMAC_SECRET },
    ],
    ['keys that are open', ['keys', 'list'], {}],
    ['a command that does not exist', ['clients', 'ad'], {}],
  ] satisfies [string, string[], Settings][]) {
    test(name, async () => assertClean(name, await told(args, own)))
  }
})

/** Right and wrong requests of every kind of caller. */
function requests(): (string | Buffer)[] {
  const key = newKey()
  const signature = v1({ key, secret: HMAC_SECRET })
  secrets.set('signature', signature.slice(-64))
  const v0 = createHmac('sha256', HMAC_SECRET).update(GOOD_BODY).digest('hex')
  secrets.set('v0 signature', v0)
  const pay = `{"amount":5,"currency":"EUR","payment_method":"${PAYMENT_METHOD}"}`
  const bearer = (token: string, target: string, body = '') =>
    [
      `${body === '' ? 'GET' : 'POST'} ${target} HTTP/1.1`,
      ...['Host: a', 'Content-Type: application/json', `Idempotency-Key: ${newKey()}`],
      ...[`Authorization: Bearer ${token}`, `Cookie: a=${COOKIE}`, `Content-Length: ${body.length}`],
      ...['', body],
    ].join('\r\n')
  return [
    signedOrder({ secret: HMAC_SECRET, key, signature }),
    signedOrder({ secret: HMAC_SECRET, key, signature }),
    signedOrder({ secret: HMAC_SECRET, key, body: `${GOOD_BODY} ` }),
    signedOrder({ signature: v0 }),
    signedOrder({ client: 'acme', secret: GUESSED_TOKEN }),
    signedOrder({ secret: HMAC_SECRET, body: `{"user_id":"${PAYMENT_METHOD}"` }),
    signedGet('/orders', { secret: HMAC_SECRET }),
    bearer(API_KEY, '/api/v1/payments', pay),
    bearer(API_KEY, '/api/v1/payments', pay.replace('EUR', 'XXX')),
    bearer(API_KEY, '/api/v1/payments', pay.slice(0, -1)),
    bearer(API_KEY, '/api/v1/audit-logs'),
    bearer(API_KEY, '/api/v1/rate-limits'),
    bearer(`${API_KEY}x`, '/api/v1/payments', pay),
    bearer(GUESSED_TOKEN, '/api/v1/payments', pay),
    bearer(OPERATOR_TOKEN, '/console/api/overview'),
    bearer(OPERATOR_TOKEN, `/console/api/key?client=default&key=${key}`),
    bearer(OPERATOR_TOKEN, '/console/api/keys/resolve', '{'),
    bearer(GUESSED_TOKEN, '/console/api/overview'),
    `GET / HTTP/1.1\r\nHost: a\r\nCookie: ${COOKIE}\r\nAuthorization: ${GUESSED_TOKEN}\0\r\n\r\n`,
    ...['/metrics', '/health', '/docs', '/openapi.json', '/console', '/problems', `/${'x'.repeat(10)}`].map(
      (path) => `GET ${path} HTTP/1.1\r\nHost: a\r\nCookie: ${COOKIE}\r\n\r\n`,
    ),
  ]
}

async function assertResponsesClean(port: number): Promise<void> {
  for (const bytes of requests()) {
    const { responses } = await exchange(port, bytes, { timeoutMs: 20_000 })
    const [response] = responses
    assert.ok(response)
    const request = bytes.toString().split('\r\n', 1)[0] ?? ''
    assertClean(`the response to ${request}`, `${response.headers.flat().join('\n')}\n${response.body}`)
  }
}

describe('no secret is in what a service says', () => {
  test('in its responses, pages, metrics and console, and in a log that tells everything', async () => {
    service = await startService({ ...settings, NODE_OPTIONS: DEFECT })
    await assertResponsesClean(service.port)
    await until('the requests are in the log', () => service.log().includes('"msg":"request"'))
    await sleep(500)
    assertClean('the log', service.log())
  })

  test('while its Redis is away', async () => {
    await redis.kill()
    await assertResponsesClean(service.port)
    await redis.restart()
    await until('the outage is in the log', () => /"level":"(error|warn)"/.test(service.log()))
    assertClean('the log', service.log())
  })

  test('in the last words of a process that has a defect', async () => {
    service.signal('SIGUSR2')
    assert.equal((await service.ended()).code, 1)
    assert.match(service.log(), /"level":"fatal".*boom/)
    assertClean('the log', service.log())
  })

  test('in the audit trail', async () => {
    const text = await told(['audit', 'export'])
    assert.match(text, /payment\.completed/)
    assertClean('the audit trail', text)
  })
})

test('no secret is in what the sidecar says, also about a backend that is not there', async (t) => {
  const target = `http://127.0.0.1:${await freePort()}`
  const proxy = await startProxy(t, target, ['--verify'], { ...settings, NODE_OPTIONS: DEFECT })
  await assertResponsesClean(proxy.port)
  proxy.signal('SIGUSR2')
  await until('its last words', () => proxy.log().includes('"level":"fatal"'))
  assertClean('the log', proxy.log())
})
