import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { assertProblem, one, type RawResponse } from '../support/raw-http.ts'
import { GOOD_BODY, newKey, type RawOrder, signedGet, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const directory = mkdtempSync(join(tmpdir(), 'oncekey-keys-'))
const clientsFile = join(directory, 'clients.json')
const ACME = { client: 'acme', secret: 'the secret of acme' }
writeFileSync(clientsFile, JSON.stringify({ [ACME.client]: { secrets: [ACME.secret] } }))
const world = await startServiceOnDatabase({ RATE_LIMITS: 'none', CLIENTS_FILE: clientsFile })
const { port } = world
after(async () => {
  await world.close()
  rmSync(directory, { recursive: true })
})

/** `client key` of the expected orders: at the end the table must have no others. */
const placed: string[] = []

async function send(order: Partial<RawOrder>): Promise<RawResponse> {
  return await one(port, signedOrder(order))
}

/** Returns the id of the order. `key` as it is meant, without quotes. */
async function place(order: Partial<RawOrder>, key: string): Promise<string> {
  const response = await send(order)
  assert.equal(response.status, 201, response.body)
  assert.equal(response.header('idempotent-replayed'), '', 'a first response')
  const placedOrder = JSON.parse(response.body).order
  assert.equal(placedOrder.idempotency_key, key)
  placed.push(`${order.client ?? 'default'} ${key}`)
  return placedOrder.id
}

async function assertReplay(order: Partial<RawOrder>, id: string): Promise<void> {
  const response = await send(order)
  assert.equal(response.status, 201, response.body)
  assert.equal(response.header('idempotent-replayed'), 'true')
  assert.equal(JSON.parse(response.body).order.id, id)
}

describe('a key that is none gets 400', () => {
  test('no header', async () => {
    assertProblem(await send({ key: undefined }), 400, 'idempotency_key_missing')
  })

  for (const [name, key] of [
    ['nothing', ''],
    ['white space', '   '],
    ['empty quotes', '""'],
    ['256 characters', 'a'.repeat(256)],
    ['256 characters in quotes', `"${'a'.repeat(256)}"`],
    ['256 characters, all of them escaped', `"${'\\"'.repeat(256)}"`],
    ['10,000 characters', 'a'.repeat(10_000)],
    ['a space inside', 'key 1'],
    ['a tab inside', 'key\t1'],
    ['a tab in quotes', '"key\t1"'],
    ['a quote that nobody closes', '"key'],
    ['a quote at the end', 'key"'],
    ['something behind the quotes', '"key"1'],
    ['an escape that is none', '"k\\ey"'],
    ['a backslash before the last quote', '"key\\"'],
    ['single quotes around a space', "'key 1'"],
    ['Latin-1', 'cl\xe9'],
    ['UTF-8', Buffer.from('schlüssel', 'utf8').toString('latin1')],
    ['UTF-8 in quotes', Buffer.from('"схема"', 'utf8').toString('latin1')],
    ['a list', 'key-1, key-2'],
    ['a list without spaces', 'key-1,key-2'],
    ['a list of strings', '"key-1", "key-2"'],
    ['a list with nothing in it', ','],
    ['parameters', 'key-1;a=b'],
    ['parameters of a string', '"key-1";a=b'],
    ['a byte sequence', ':a2V5:;'],
  ] as const) {
    test(name, async () => {
      assertProblem(await send({ key }), 400, 'idempotency_key_invalid')
    })
  }

  test('two headers, the same or not, quoted or not', async () => {
    const key = newKey()
    for (const other of [key, newKey(), `"${key}"`, '']) {
      // Signed as HTTP has it: repeated lines are one value.
      const bytes = signedOrder({ key: `${key}, ${other}` }).toString('latin1')
      const twice = bytes.replace(
        `Idempotency-Key: ${key}, ${other}`,
        `Idempotency-Key: ${key}\r\nidempotency-key: ${other}`,
      )
      assert.notEqual(twice, bytes)
      assertProblem(await one(port, twice), 400, 'idempotency_key_invalid')
    }
    await place({ key }, key)
  })
})

describe('a key is what it means, not how it is written', () => {
  test('255 characters, bare and in quotes, are one key', async () => {
    const key = newKey().padEnd(255, 'a')
    const id = await place({ key }, key)
    await assertReplay({ key: `"${key}"` }, id)
    await assertReplay({ key: `  ${key}\t` }, id)
  })

  test('255 characters may take 512 bytes in quotes', async () => {
    const key = '\\'.repeat(255)
    await place({ key: `"${key}${key}"` }, key)
  })

  test('quoted first, bare then', async () => {
    const key = newKey()
    const id = await place({ key: `"${key}"` }, key)
    await assertReplay({ key }, id)
  })

  test('a string may hold what a bare key may not', async () => {
    for (const key of ['a b', 'a,b', 'a;b=c', ' a', 'a"b\\c', "'; DROP TABLE orders; --"]) {
      const quoted = `"${key.replace(/["\\]/g, '\\$&')}"`
      const id = await place({ key: quoted }, key)
      await assertReplay({ key: quoted }, id)
    }
  })

  test('case counts', async () => {
    const key = newKey()
    const id = await place({ key }, key)
    assert.notEqual(await place({ key: key.toUpperCase() }, key.toUpperCase()), id)
  })

  test('names of JavaScript are keys like any other', async () => {
    for (const key of ['__proto__', 'constructor', 'null', 'undefined', '0']) {
      const id = await place({ key }, key)
      await assertReplay({ key }, id)
    }
  })
})

describe('a key belongs to its client', () => {
  test('two clients with the same key and body each get their own order', async () => {
    const key = newKey()
    const own = await place({ key }, key)
    const other = await place({ ...ACME, key }, key)
    assert.notEqual(other, own)
    await assertReplay({ key }, own)
    await assertReplay({ ...ACME, key }, other)
    assertProblem(await one(port, signedGet(`/orders/${own}`, ACME)), 404, 'not_found')
    assert.equal((await one(port, signedGet(`/orders/${other}`, ACME))).status, 200)
  })

  test('what one client did with a key does not refuse it to another', async () => {
    const key = newKey()
    await place({ key }, key)
    await place({ ...ACME, key, body: GOOD_BODY.replace('book', 'pen') }, key)
    assertProblem(await send({ key, body: GOOD_BODY.replace('book', 'pen') }), 409, 'idempotency_key_reused')
  })
})

describe('a key for another request gets 409 idempotency_key_reused, and keeps its order', () => {
  for (const [name, change] of [
    ['another amount', { body: GOOD_BODY.replace('500', '501') }],
    ['the same amount written in another way', { body: GOOD_BODY.replace('500', '500.0') }],
    ['one more space', { body: `${GOOD_BODY} ` }],
    ['a body that is not JSON', { body: '{' }],
    ['no body', { body: '' }],
    ['an empty query', { target: '/orders?' }],
    ['a slash at the end', { target: '/orders/' }],
  ] as const) {
    test(name, async () => {
      const key = newKey()
      const id = await place({ key }, key)
      const problem = assertProblem(await send({ key, ...change }), 409, 'idempotency_key_reused')
      assert.equal(problem.retryable, false)
      await assertReplay({ key }, id)
    })
  }

  test('a query that the route does not know is refused before its key is looked at', async () => {
    const key = newKey()
    const id = await place({ key }, key)
    assertProblem(await send({ key, target: '/orders?a=b' }), 400, 'invalid_request')
    await assertReplay({ key }, id)
  })

  test('the quoted key with another body', async () => {
    const key = newKey()
    const id = await place({ key }, key)
    const body = GOOD_BODY.replace('book', 'pen')
    assertProblem(await send({ key: `"${key}"`, body }), 409, 'idempotency_key_reused')
    await assertReplay({ key }, id)
  })

  test('50 different requests with one key at once: one order, everybody else is refused', async () => {
    const key = newKey()
    const bodies = Array.from({ length: 50 }, (_, n) => GOOD_BODY.replace('500', `${n + 1}`))
    const responses = await Promise.all(bodies.map((body) => send({ key, body })))
    const created = responses.filter(({ status }) => status === 201)
    assert.equal(created.length, 1)
    placed.push(`default ${key}`)
    for (const response of responses)
      if (response.status !== 201) assertProblem(response, 409, 'idempotency_key_reused')
  })
})

test('afterwards only the valid orders exist, and no defect was reported', async () => {
  const found = (await world.orders()).map((row) => `${row.client} ${row.idempotency_key}`)
  assert.deepEqual(found.sort(), placed.sort())
  assert.doesNotMatch(world.service.log(), /"level":"(error|fatal)"/)
})
