import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertProblem, one, type RawResponse } from '../support/raw-http.ts'
import { GOOD_BODY, newKey, type RawOrder, signedGet, signedOrder, v1 } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const HMAC_SECRET = 'the-secret-of-default'
const ROTATING = ['the-first-of-three', 'the-second-of-three', 'the-third-of-three'] as const
/** Clients with their full quota, one for each accepted request. */
const FRESH = Array.from({ length: 30 }, (_, n) => `fresh-${n}`)
const secretOf = (client: string) => `the-secret-of-${client}`
const clients: Record<string, { secrets: readonly string[]; min_scheme?: string }> = {
  rotating: { secrets: ROTATING },
  strict: { secrets: [secretOf('strict')], min_scheme: 'v1' },
  acme: { secrets: [secretOf('acme')] },
  // The same secret, so that only the signed content differs.
  acmex: { secrets: [secretOf('acme')] },
  revoked: { secrets: [secretOf('revoked')] },
  ...Object.fromEntries(FRESH.map((client) => [client, { secrets: [secretOf(client)] }])),
}

const directory = mkdtempSync(join(tmpdir(), 'oncekey-signature-'))
const CLIENTS_FILE = join(directory, 'clients.json')
const writeClients = () => {
  writeFileSync(`${CLIENTS_FILE}.new`, JSON.stringify(clients))
  renameSync(`${CLIENTS_FILE}.new`, CLIENTS_FILE)
}
writeClients()
const world = await startServiceOnDatabase({
  RATE_LIMITS: 'client=3/60s',
  CLIENTS_FILE,
  HMAC_SECRET,
})
const { port } = world
after(async () => {
  await world.close()
  rmSync(directory, { recursive: true })
})

/** `client key` of the expected orders: at the end the table must have no others. */
const placed: string[] = []
const ACME = { client: 'acme', secret: secretOf('acme') }
const NOW = Math.floor(Date.now() / 1000)
const v0 = (secret: string, body = GOOD_BODY) => createHmac('sha256', secret).update(body).digest('hex')
const MAC = v0(ACME.secret)

async function send(order: Partial<RawOrder>): Promise<RawResponse> {
  return await one(port, signedOrder(order))
}

function freshClient(): { client: string; secret: string } {
  const client = FRESH.pop()
  assert.ok(client, 'more fresh clients are needed')
  return { client, secret: secretOf(client) }
}

async function place(order: Partial<RawOrder>): Promise<RawResponse> {
  const key = newKey()
  const response = await send({ key, ...order })
  assert.equal(response.status, 201, response.body)
  placed.push(`${order.client ?? 'default'} ${key}`)
  return response
}

type Case = [name: string, order: Partial<RawOrder>, code?: string]

/** A request with this signature, sent as an order of acme. */
const signedAs = (change: Partial<RawOrder>, edit = (signature: string) => signature): Partial<RawOrder> => {
  const order = { ...ACME, key: 'key-signed', timestamp: NOW }
  return { ...order, signature: edit(v1({ ...order, ...change })) }
}
const carrying = (signature: string, code = 'signature_invalid'): Case => [
  `X-Signature: ${signature.replaceAll(MAC, '<mac>')}`,
  { ...ACME, signature },
  code,
]
const at = (name: string, timestamp: number): Case => [name, { ...ACME, timestamp }, 'timestamp_out_of_range']
const claiming = (name: string, client: string): Case => [name, { ...ACME, client }]

const REFUSED: Case[] = [
  ['no signature', { ...ACME, signature: undefined }, 'signature_missing'],
  ...[
    '',
    MAC.slice(1),
    `${MAC}0`,
    `${MAC} `.repeat(2).trim(),
    `g${MAC.slice(1)}`,
    `0x${MAC}`,
    `"${MAC}"`,
  ].map((one) => carrying(one)),
  ...[`sha256=${MAC}`, `v0=${MAC}`, `v1=${MAC}`, `t=${NOW}`, `t=${NOW},v1=`, `v1=${MAC},t=${NOW}`].map(
    (one) => carrying(one),
  ),
  ...[`t=${NOW},v0=${MAC}`, `t=${NOW};v1=${MAC}`, `t=${NOW}, v1=${MAC}`, `t=${NOW},v1=${MAC},`].map((one) =>
    carrying(one),
  ),
  ...[`t=${NOW}${`,v1=${MAC}`.repeat(4)}`, `t=${NOW},t=${NOW},v1=${MAC}`, `t=${NOW},v1=${MAC}garbage`].map(
    (one) => carrying(one),
  ),
  ...['NaN', '-1', '', '+5', '1e9', `${NOW}.5`, `0${NOW}`, 'Infinity', '9'.repeat(16)].map((t) =>
    carrying(`t=${t},v1=${MAC}`),
  ),
  carrying(`t=${NOW}000,v1=${MAC}`, 'timestamp_out_of_range'),
  carrying(`t=0,v1=${MAC}`, 'timestamp_out_of_range'),
  at('301 seconds ago', NOW - 301),
  at('in 310 seconds', NOW + 310),
  at('in milliseconds, well signed', NOW * 1000),
  ['v0 put into v1', { ...ACME, signature: `t=${NOW},v1=${MAC}` }],
  [
    'v1 put into v0',
    { ...ACME, signature: v1({ ...ACME, key: 'key-signed' }).slice(-64), key: 'key-signed' },
  ],
  ['another method', signedAs({ method: 'PUT' })],
  ['another path', signedAs({ target: '/order' })],
  ['another query', signedAs({ target: '/orders?a' })],
  ['another body', signedAs({ body: `${GOOD_BODY}\n` })],
  [
    'the same body written in another way',
    signedAs({ body: JSON.stringify(JSON.parse(GOOD_BODY), null, 1) }),
  ],
  ['another key', signedAs({ key: 'key-2' })],
  ['the key in quotes', signedAs({ key: '"key-signed"' })],
  ['no key', signedAs({ key: '' })],
  ['another client with the same secret', signedAs({ client: 'acmex' })],
  [
    'another second',
    signedAs({ timestamp: NOW - 1 }, (signature) => signature.replace(/^t=\d+/, `t=${NOW}`)),
  ],
  [
    'a boundary shifted: client and key',
    { ...signedAs({ client: 'acme', key: 'xkey' }), client: 'acmex', key: 'key' },
  ],
  [
    'a boundary shifted: target and client',
    { ...signedAs({ target: '/orders?a', client: 'acme' }), target: '/orders', client: 'aacme' },
  ],
  ["another client's secret", { ...ACME, secret: secretOf('strict') }],
  ['the secret in upper case', { ...ACME, secret: ACME.secret.toUpperCase() }],
  ['an empty secret', { ...ACME, secret: '' }],
  ['the demo secret', { secret: 'super-secret-key' }],
  ['the demo secret with v0', { signature: v0('super-secret-key') }],
  claiming('an unknown client', 'nobody'),
  claiming('an empty client', ''),
  claiming('a client in upper case', 'ACME'),
  claiming('a client of 65 characters', 'a'.repeat(65)),
  claiming('a client with a space', 'ac me'),
  claiming('a client beyond ASCII', 'acm\xe9'),
  claiming('a client like a path', '../acme'),
  claiming('a list of clients', 'acme, acme'),
  ...['__proto__', 'constructor', 'toString'].map((name) => claiming(`the client ${name}`, name)),
  ['two clients', { ...ACME, headers: ['X-Client-Id: acme'] }],
  ['two signatures', { ...ACME, headers: [`X-Signature: ${MAC}`] }],
  [
    'two schemes at once',
    { ...ACME, headers: ['Signature-Input: sig1=("@method");keyid="acme"', 'Signature: sig1=:YQ==:'] },
  ],
  ['v0 with a wrong secret where v1 is asked for', { client: 'strict', signature: MAC }],
]

describe('a signature that does not match gets 401', () => {
  for (const [name, order, code = 'signature_invalid'] of REFUSED) {
    test(name, async () => {
      const response = await send(order)
      assertProblem(response, 401, code)
      assert.equal(response.header('www-authenticate'), 'Signature realm="oncekey"')
      assert.equal(response.header('x-ratelimit-limit'), '', 'nothing is said of limits')
    })
  }
})

describe('a scheme that is too weak gets 403 scheme_not_allowed, only with a valid signature', () => {
  for (const [name, order] of [
    ['v0 where the client asks for v1', { client: 'strict', signature: v0(secretOf('strict')) }],
    ['v0 without a body', { ...ACME, method: 'GET', body: '', signature: v0(ACME.secret, '') }],
  ] satisfies Case[]) {
    test(name, async () => {
      const response = await send(order)
      assertProblem(response, 403, 'scheme_not_allowed')
      assert.match(response.header('deprecation'), /^@\d+$/)
    })
  }
})

describe('a signature that matches is accepted', () => {
  test('the unchanged order of the cases above', async () => {
    assert.equal((await send(signedAs({}))).status, 201)
    placed.push('acme key-signed')
  })

  test('v1 near both ends of the tolerance', async () => {
    const now = Math.floor(Date.now() / 1000)
    for (const timestamp of [now - 290, now + 295]) await place({ ...freshClient(), timestamp })
  })

  test('v0, with the header Deprecation', async () => {
    const { client, secret } = freshClient()
    const response = await place({ client, signature: v0(secret) })
    assert.match(response.header('deprecation'), /^@\d+$/)
    assert.equal((await place(freshClient())).header('deprecation'), '')
  })

  test('upper-case hex', async () => {
    const { client, secret } = freshClient()
    await place({ client, signature: v0(secret).toUpperCase() })
  })

  test('each of three secrets, and any of three signatures', async () => {
    for (const secret of ROTATING) await place({ client: 'rotating', secret })
    const { client, secret } = freshClient()
    const key = newKey()
    const [t, right] = v1({ client, secret, key, timestamp: NOW }).split(',')
    assert.equal((await send({ client, key, signature: `${t},v1=${MAC},v1=${MAC},${right}` })).status, 201)
    placed.push(`${client} ${key}`)
  })

  test('client default without X-Client-Id, and with it', async () => {
    await place({ secret: HMAC_SECRET })
    const named = await one(port, signedGet('/orders', { client: 'default', secret: HMAC_SECRET }))
    assert.equal(JSON.parse(named.body).orders.length, 1)
  })
})

describe('a refused request', () => {
  test('gets the same bytes for an unknown client and for a wrong signature', async () => {
    const responses = await Promise.all(
      [
        { client: 'nobody' },
        { client: 'not a client id' },
        { ...ACME, secret: 'wrong' },
        { client: 'rotating', secret: 'wrong' },
        { client: 'strict', secret: 'wrong' },
        { client: 'nobody', signature: MAC },
        { client: 'strict', signature: MAC },
        signedAs({ body: '{}' }),
      ].map((order) => send({ ...order, headers: ['X-Request-Id: compare-me'] })),
    )
    const [first, ...others] = responses.map(({ status, headers, body }) => ({
      status,
      headers: headers.filter(([name]) => name !== 'Date'),
      body,
    }))
    for (const other of others) assert.deepEqual(other, first)
    assert.ok(first?.body.includes('"request_id":"compare-me"'))
  })

  test('uses no quota and does not change a key', async () => {
    const own = freshClient()
    const key = newKey()
    for (const [, order] of REFUSED.slice(0, 40)) {
      assert.equal(
        (
          await send({
            ...order,
            client: own.client,
            key,
            secret: 'wrong',
            signature: order.signature ?? MAC,
          })
        ).status,
        401,
      )
    }
    const response = await send({ ...own, key })
    assert.equal(response.status, 201, response.body)
    placed.push(`${own.client} ${key}`)
    assert.equal(response.header('idempotent-replayed'), '')
    assert.equal(response.header('x-ratelimit-limit'), '3')
    assert.equal(response.header('x-ratelimit-remaining'), '2')
  })
})

test('a stolen request that is sent again unchanged places no second order', async () => {
  const own = freshClient()
  const key = newKey()
  const bytes = signedOrder({ ...own, key })
  const [first, again] = [await one(port, bytes), await one(port, bytes)]
  assert.equal(first.status, 201)
  assert.equal(again.header('idempotent-replayed'), 'true')
  assert.equal(again.body, first.body)
  placed.push(`${own.client} ${key}`)
})

test('a secret that is revoked in CLIENTS_FILE is refused within two seconds, and the new secret accepted', async () => {
  const old = { client: 'revoked', secret: secretOf('revoked') }
  await place(old)
  clients.revoked = { secrets: ['the-successor'] }
  writeClients()
  await sleep(2_000)
  assertProblem(await send(old), 401, 'signature_invalid')
  await place({ client: 'revoked', secret: 'the-successor' })
})

test('afterwards only the valid orders exist', async () => {
  const found = (await world.orders()).map((row) => `${row.client} ${row.idempotency_key}`)
  assert.deepEqual(found.sort(), placed.sort())
})
