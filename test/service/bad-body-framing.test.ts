import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { assertProblem, one } from '../support/raw-http.ts'
import { GOOD_BODY, newKey, type RawOrder, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

/** The default. */
const MAX_BODY_BYTES = 65_536
const world = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
const { port } = world
after(() => world.close())

/** The keys of the expected orders: at the end the table must have no others. */
const placed = new Set<string>()

async function send(order: Partial<RawOrder>, key = newKey()) {
  return await one(port, signedOrder({ key, ...order }))
}

async function assertPlaced(order: Partial<RawOrder>, key = newKey()): Promise<void> {
  const response = await send(order, key)
  assert.equal(response.status, 201, response.body)
  assert.equal(response.header('idempotent-replayed'), '')
  placed.add(key)
}

describe('a refused body leaves its key free', () => {
  for (const framing of ['length', 'chunked'] as const) {
    test(`one byte more than the limit, ${framing === 'length' ? 'declared' : 'not declared'}`, async () => {
      const key = newKey()
      const body = GOOD_BODY.padEnd(MAX_BODY_BYTES + 1)
      assertProblem(await send({ body, framing }, key), 413, 'body_too_large')
      await assertPlaced({}, key)
    })
  }

  test('a declared length of a terabyte is refused before the body arrives', async () => {
    const bytes = signedOrder({ headers: ['Expect: 100-continue'] }).toString('latin1')
    const response = await one(port, bytes.replace(/Content-Length: \d+/, 'Content-Length: 1099511627776'))
    assertProblem(response, 413, 'body_too_large')
  })

  for (const [coding, body] of [
    ['gzip', gzipSync(GOOD_BODY)],
    ['gzip', gzipSync(Buffer.alloc(100 * 1024 * 1024))],
    ['identity', GOOD_BODY],
    ['br, gzip', GOOD_BODY],
  ] as const) {
    test(`Content-Encoding: ${coding}, ${body.length} bytes`, async () => {
      const key = newKey()
      const response = await send({ body, headers: [`Content-Encoding: ${coding}`] }, key)
      assertProblem(response, 415, 'unsupported_media_type')
      await assertPlaced({}, key)
    })
  }

  for (const contentType of [
    undefined,
    '',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=a',
    'application/json, text/plain',
    'application/json; charset=utf-16',
    'application/json; charset=utf-7',
    'application/json; version=1; charset=latin1',
    'application/jsonp',
    'text/json',
    '*/*',
  ]) {
    test(`Content-Type: ${contentType ?? 'none'}`, async () => {
      const key = newKey()
      assertProblem(await send({ contentType }, key), 415, 'unsupported_media_type')
      await assertPlaced({}, key)
    })
  }
})

describe('a body at the limit places its order', () => {
  test('a body of exactly the limit, with its length and in chunks', async () => {
    for (const framing of ['length', 'chunked'] as const) {
      await assertPlaced({ body: GOOD_BODY.padEnd(MAX_BODY_BYTES), framing })
    }
  })

  for (const contentType of [
    'application/json;charset=UTF-8',
    'Application/JSON; charset="utf-8"',
    'application/vnd.acme.order+json',
    'application/json; charset=utf8',
    'application/json;',
    'application/json; version=1',
    'application/json; version=1; charset=utf-8; q=1',
  ]) {
    test(`Content-Type: ${contentType}`, async () => {
      await assertPlaced({ contentType })
    })
  }
})

test('afterwards only the valid orders exist, and no defect was reported', async () => {
  const keys = (await world.orders()).map((row) => row.idempotency_key)
  assert.deepEqual(keys.sort(), [...placed].sort())
  assert.doesNotMatch(world.service.log(), /"level":"(error|fatal)"/)
})
