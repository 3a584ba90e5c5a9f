import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertProblem, one, type RawResponse } from '../support/raw-http.ts'
import { GOOD_BODY, newKey, type RawOrder, signedGet, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const directory = mkdtempSync(join(tmpdir(), 'oncekey-limits-'))
const CLIENTS_FILE = join(directory, 'clients.json')
const secret = 'a secret of several'
const CLIENTS = ['a', 'b', 'c', 'd']
writeFileSync(
  CLIENTS_FILE,
  JSON.stringify(Object.fromEntries(CLIENTS.map((client) => [client, { secrets: [secret] }]))),
)
const [byDefault, short] = await Promise.all([
  startServiceOnDatabase({ CLIENTS_FILE }),
  startServiceOnDatabase({ CLIENTS_FILE, RATE_LIMITS: 'client=2/2s' }),
])
after(async () => {
  await Promise.all([byDefault.close(), short.close()])
  rmSync(directory, { recursive: true })
})

function assertLimits(response: RawResponse, remaining: number): void {
  assert.equal(response.header('x-ratelimit-limit'), '10')
  assert.equal(response.header('x-ratelimit-remaining'), String(remaining))
  const inSeconds = Number(response.header('x-ratelimit-reset')) - Date.now() / 1000
  assert.ok(inSeconds > 0 && inSeconds <= 61, `a reset in ${inSeconds} s`)
  assert.equal(response.header('ratelimit-policy'), '"client";q=10;w=60')
  assert.match(response.header('ratelimit'), new RegExp(`^"client";r=${remaining};t=([1-9]|[1-5]\\d|60)$`))
}

function assertRefused(response: RawResponse): number {
  const { retryable, retry_after_ms = 0 } = assertProblem(response, 429, 'rate_limited')
  assert.equal(retryable, true)
  assert.ok(retry_after_ms >= 1)
  assert.equal(response.header('retry-after'), String(Math.ceil(retry_after_ms / 1000)))
  return retry_after_ms
}

describe('by default a client has 10 requests in 60 s', () => {
  const send = (order: Partial<RawOrder>) => one(byDefault.port, signedOrder({ secret, ...order }))

  test('every response has the rate limit headers; the eleventh is 429', async () => {
    const client = 'a'
    const key = newKey()
    const wrong = GOOD_BODY.replace('500', '0')
    const requests: [number, Partial<RawOrder> | Buffer][] = [
      [201, { key }],
      [201, { key }],
      [409, { key, body: wrong }],
      [422, { body: wrong }],
      [400, { key: undefined }],
      [400, { body: '{' }],
      [415, { contentType: 'text/plain' }],
      [200, signedGet('/orders', { client, secret })],
      [404, signedGet('/orders/1', { client, secret })],
      [400, signedGet('/orders?limit=0', { client, secret })],
    ]
    let remaining = 10
    for (const [status, request] of requests) {
      const response = await (request instanceof Buffer
        ? one(byDefault.port, request)
        : send({ client, ...request }))
      assert.equal(response.status, status, response.body)
      assertLimits(response, --remaining)
    }
    for (let n = 0; n < 3; n++) {
      const response = await send({ client })
      assert.ok(assertRefused(response) <= 60_000)
      assertLimits(response, 0)
    }
    assert.equal((await byDefault.orders()).length, 1)
  })

  test('of 50 concurrent requests exactly 10 are admitted', async () => {
    const responses = await Promise.all(Array.from({ length: 50 }, () => send({ client: 'b' })))
    assert.equal(responses.filter(({ status }) => status === 201).length, 10)
    for (const response of responses) if (response.status !== 201) assertRefused(response)
  })

  test('the quota of one client does not affect another', async () => {
    const response = await send({ client: 'c' })
    assert.equal(response.status, 201)
    assertLimits(response, 9)
  })
})

test('a 429 is not stored, and a retry does not extend its wait', async () => {
  const key = newKey()
  const bytes = signedOrder({ client: 'd', secret, key })
  for (let n = 0; n < 2; n++)
    assert.equal((await one(short.port, signedGet('/orders', { client: 'd', secret }))).status, 200)
  const startedMs = performance.now()
  const waitMs = assertRefused(await one(short.port, bytes))
  for (let n = 0; n < 20; n++) assertRefused(await one(short.port, bytes))
  await sleep(waitMs - (performance.now() - startedMs) + 50)
  const response = await one(short.port, bytes)
  assert.equal(response.status, 201, response.body)
  assert.equal(response.header('idempotent-replayed'), '')
  assert.equal((await short.orders()).length, 1)
})
