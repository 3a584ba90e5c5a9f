import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { one } from '../support/raw-http.ts'
import { GOOD_BODY, newKey, signedGet, signedOrder, v1 } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const ACME = { client: 'acme', secret: 'the-secret-of-acme' }
const OTHER = 'another-secret-of-acme'
const HMAC_SECRET = 'the-secret-of-default'

const directory = mkdtempSync(join(tmpdir(), 'oncekey-log-'))
const CLIENTS_FILE = join(directory, 'clients.json')
writeFileSync(CLIENTS_FILE, JSON.stringify({ acme: { secrets: [ACME.secret, OTHER] } }))
const { service, port, close } = await startServiceOnDatabase({
  RATE_LIMITS: 'none',
  LOG_LEVEL: 'trace',
  CLIENTS_FILE,
  HMAC_SECRET,
})
after(async () => {
  await close()
  rmSync(directory, { recursive: true })
})

/**
 * What the service has written once these got a response, without what it wrote at its start. `broken` are no HTTP:
 * they need not leave a line.
 */
async function logOf(requests: readonly Buffer[], broken: readonly string[]): Promise<string> {
  const before = service.log().length
  for (const bytes of [...requests, ...broken]) await one(port, bytes)
  const lines = () => service.log().slice(before)
  for (let tries = 0; tries < 50 && count(lines()) < requests.length; tries++) await sleep(100)
  const written = lines()
  assert.equal(count(written), requests.length, 'one line for each request')
  return written
}

function count(lines: string): number {
  return lines.split('"msg":"request"').length - 1
}

test('no secret, signature or value of a request is in the log, and its key is', async () => {
  const hidden = 'value-of-a-client'
  const v0 = createHmac('sha256', HMAC_SECRET).update(GOOD_BODY).digest('hex')
  const key = newKey()
  const stale = { ...ACME, key, timestamp: 1_000_000_000 }
  const body = GOOD_BODY.replace('book', hidden)
  const requests = [
    signedOrder({ ...ACME, key }),
    signedOrder({ ...ACME, key }),
    signedOrder({ ...ACME, key, body }),
    signedOrder({
      ...ACME,
      secret: OTHER,
      body,
      headers: [`Authorization: Bearer ${hidden}`, `Cookie: ${hidden}`],
    }),
    signedOrder({ ...ACME, body: body.replace('"item"', `"${hidden}"`) }),
    signedOrder({ ...ACME, body: `{"${hidden}` }),
    signedOrder({ signature: v0 }),
    signedOrder({ ...ACME, signature: v0 }),
    signedOrder(stale),
    signedGet(`/orders?limit=${hidden}`, ACME),
    signedOrder({ client: hidden, secret: hidden }),
  ]
  const written = await logOf(requests, [
    `GET /livez HTTP/1.1\r\nHost: ${hidden}\r\nX-A: ${hidden}\0\r\n\r\n`,
  ])
  const secrets = [ACME.secret, OTHER, HMAC_SECRET, v0, v1(stale), hidden, 'user-1', 'book']
  for (const text of secrets) assert.ok(!written.includes(text), `${text} is in the log`)
  assert.doesNotMatch(written, /[0-9a-f]{64}/i)
  // Also in the line of the request that was refused for its time.
  assert.equal(written.split(`"idempotency_key":"${key}"`).length - 1, 4)
  // The banner too: it prints the demo secret, and no other.
  assert.ok(!service.log().includes('the-secret'))
})

test('line breaks and ANSI codes in values stay inside one JSON line', async () => {
  const fake = '{"level":"fatal","msg":"fake"}'
  const escapes = `\\u001b[31m\\r\\n${JSON.stringify(fake).slice(1, -1)}`
  const requests = [
    signedOrder({ ...ACME, body: GOOD_BODY.replace('book', escapes) }),
    signedOrder({ ...ACME, body: GOOD_BODY.replace('"item"', `"${escapes}"`) }),
    signedOrder({ ...ACME, key: `"${escapes.replaceAll('\\', '')}"` }),
    signedGet(`/orders/%0d%0a%1b[31m${fake}`, ACME),
    signedGet(`/\u0022},${fake}`, ACME),
    signedOrder({ ...ACME, headers: [`X-Request-Id: a"},${fake}`, `User-Agent: ${fake}`] }),
    signedOrder({ client: fake }),
  ]
  const written = await logOf(requests, [
    `GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\x1b[31m\r\n\r\n`,
    `GET /livez?\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n`,
  ])
  for (const line of written.trimEnd().split('\n')) {
    const { level, msg } = JSON.parse(line)
    assert.ok(['debug', 'info'].includes(level), line)
    assert.notEqual(msg, 'fake')
  }
  for (const character of ['\x1b', '\r', '\0', '\u2028']) assert.ok(!written.includes(character))
})
