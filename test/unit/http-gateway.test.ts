import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import type { Charge } from '../../internal/payments/gateway.ts'
import { httpGateway } from '../../internal/payments/http-gateway.ts'
import {
  cutBeforeResponse,
  cutWithinResponse,
  respond,
  scriptedServer,
  silence,
} from '../support/scripted-server.ts'
import { freePort } from '../support/servers.ts'

const CHARGE: Charge = {
  key: 'a'.repeat(64),
  amount: '9999999999999.99',
  currency: 'EUR',
  description: 'a "b"',
  paymentMethod: 'pm_test_4242',
  metadata: '{"a":"b"}',
}
const mayLeave = () => true
const COMPLETED = respond(200, '{"id":"ch_1","status":"completed","more":1}')

describe('a charge', () => {
  for (const [what, step, says] of [
    ['a byte order mark', respond(200, '\ufeff{"id":"ch_1","status":"completed"}'), /byte order mark/],
    ['another case', respond(200, '{"ID":"ch_1","status":"Completed"}'), /no valid id and status: expected/],
    ['a redirect', respond(308, '', { Location: '/v2/charges' }), /308: redirects are not followed/],
    ['a list', respond(200, '[]'), /something else than an object/],
    ['text', respond(200, 'OK'), /something else than JSON: expected/],
  ] as const) {
    test(`whose response has ${what}: the log says what is wrong and what is expected`, async (t) => {
      const { url } = await scriptedServer(t, step)
      const gateway = httpGateway({ url, timeoutMs: 5_000 })
      t.after(() => gateway.close())
      const result = await gateway.charge(CHARGE, { mayLeave })
      assert.ok('cause' in result && result.cause instanceof Error)
      assert.match(result.cause.message, says)
    })
  }

  test('is sent once, with its key, its exact amount and more headers', async (t) => {
    const { url, arrived } = await scriptedServer(t, COMPLETED)
    const gateway = httpGateway({ url: `${url}/base/`, timeoutMs: 5_000 })
    t.after(() => gateway.close())
    const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
    const result = await gateway.charge(CHARGE, { mayLeave, headers })
    assert.deepEqual(result, { outcome: 'completed', chargeId: 'ch_1' })
    const [request] = arrived
    assert.equal(arrived.length, 1)
    assert.deepEqual([request?.method, request?.target], ['POST', '/base/charges'])
    assert.equal(request?.headers['idempotency-key'], CHARGE.key)
    assert.equal(request?.headers['content-type'], 'application/json')
    assert.equal(request?.headers.traceparent, headers.traceparent)
    assert.equal(
      request?.body,
      '{"amount":9999999999999.99,"currency":"EUR","description":"a \\"b\\"","payment_method":"pm_test_4242","metadata":{"a":"b"}}',
    )
  })

  test('is sent with the credentials of the URL', async (t) => {
    const { url, arrived } = await scriptedServer(t, COMPLETED)
    const gateway = httpGateway({ url: url.replace('//', '//me:s%40cret@'), timeoutMs: 5_000 })
    t.after(() => gateway.close())
    await gateway.charge(CHARGE, { mayLeave })
    assert.equal(arrived[0]?.headers.authorization, `Basic ${Buffer.from('me:s@cret').toString('base64')}`)
  })

  const SAID: [what: string, step: Parameters<typeof scriptedServer>[1], outcome: object][] = [
    ['201', respond(201, '{"id":"ch_1","status":"completed"}'), { outcome: 'completed', chargeId: 'ch_1' }],
    [
      'declined',
      respond(200, '{"id":"ch_1","status":"declined"}'),
      { outcome: 'declined', chargeId: 'ch_1' },
    ],
    [
      '402 and a declined charge',
      respond(402, '{"id":"ch_1","status":"declined"}'),
      { outcome: 'declined', chargeId: 'ch_1' },
    ],
    [
      'a numeric id',
      respond(200, '{"id":4711,"status":"completed"}'),
      { outcome: 'completed', chargeId: '4711' },
    ],
    ['402 and nothing', respond(402, ''), { outcome: 'refused', status: 402 }],
    ['400', respond(400, '{}'), { outcome: 'refused', status: 400 }],
    ['401', respond(401, ''), { outcome: 'refused', status: 401 }],
    ['422', respond(422, ''), { outcome: 'refused', status: 422 }],
    ['429', respond(429, ''), { outcome: 'busy', retryAfterMs: undefined }],
    [
      '429 with Retry-After',
      respond(429, '', { 'Retry-After': '3' }),
      { outcome: 'busy', retryAfterMs: 3_000 },
    ],
    [
      '429 for years',
      respond(429, '', { 'Retry-After': '999999' }),
      { outcome: 'busy', retryAfterMs: 60_000 },
    ],
  ]
  for (const [what, step, outcome] of SAID) {
    test(`that gets ${what} is ${JSON.stringify(outcome)}`, async (t) => {
      const { url, arrived } = await scriptedServer(t, step)
      const gateway = httpGateway({ url, timeoutMs: 5_000 })
      t.after(() => gateway.close())
      assert.deepEqual(await gateway.charge(CHARGE, { mayLeave }), outcome)
      assert.equal(arrived.length, 1)
    })
  }

  const UNKNOWN: [what: string, step: Parameters<typeof scriptedServer>[1]][] = [
    ['500', respond(500, '')],
    ['503', respond(503, '')],
    ['408', respond(408, '')],
    ['409', respond(409, '')],
    ['425', respond(425, '')],
    ['a redirect', respond(307, '', { Location: '/elsewhere' })],
    ['no JSON', respond(200, 'OK')],
    ['nothing', respond(200, '')],
    ['another status', respond(200, '{"id":"ch_1","status":"pending"}')],
    ['no id', respond(200, '{"status":"completed"}')],
    ['an id that a double does not hold', respond(200, '{"id":90071992547409931,"status":"completed"}')],
    ['an empty id', respond(200, '{"id":"","status":"completed"}')],
    ['an id with a NUL', respond(200, '{"id":"ch_\\u0000","status":"completed"}')],
    ['an id with half a surrogate', respond(200, '{"id":"ch_\\ud800","status":"completed"}')],
    ['too much', respond(200, `{"id":"ch_1","status":"completed","x":"${'x'.repeat(70_000)}"}`)],
    ['a reset', cutBeforeResponse],
    ['half a response', cutWithinResponse],
    ['another protocol', respond(101, '', { Upgrade: 'websocket', Connection: 'Upgrade' })],
  ]
  for (const [what, step] of UNKNOWN) {
    test(`that gets ${what} may have been made`, async (t) => {
      const { url, arrived } = await scriptedServer(t, step)
      const gateway = httpGateway({ url, timeoutMs: 5_000 })
      t.after(() => gateway.close())
      assert.equal((await gateway.charge(CHARGE, { mayLeave })).outcome, 'error')
      assert.equal(arrived.length, 1, 'it is not sent again')
    })
  }

  test('that gets no response in time may have been made', async (t) => {
    const { url, arrived } = await scriptedServer(t, silence)
    const gateway = httpGateway({ url, timeoutMs: 500 })
    t.after(() => gateway.close())
    assert.equal((await gateway.charge(CHARGE, { mayLeave })).outcome, 'timeout')
    assert.equal(arrived.length, 1)
  })

  test('that waits for a free connection is sent on it', async (t) => {
    const { url, arrived } = await scriptedServer(t, COMPLETED)
    const gateway = httpGateway({ url, timeoutMs: 60_000 })
    t.after(() => gateway.close())
    // More at once than there are connections.
    const charges = Array.from({ length: 300 }, () => gateway.charge(CHARGE, { mayLeave }))
    for (const { outcome } of await Promise.all(charges)) assert.equal(outcome, 'completed')
    assert.equal(arrived.length, 300)
  })

  test('to a closed port was not sent', async (t) => {
    const gateway = httpGateway({ url: `http://127.0.0.1:${await freePort()}`, timeoutMs: 5_000 })
    t.after(() => gateway.close())
    assert.equal((await gateway.charge(CHARGE, { mayLeave })).outcome, 'unsent')
  })

  test('to a server without TLS was not sent: not a byte of it arrives', async (t) => {
    let received = ''
    const plain = createServer((socket) => {
      socket
        .on('error', () => {})
        .on('data', (chunk) => {
          received += chunk.toString('latin1')
          socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
        })
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => plain.once('listening', resolve))
    const address = plain.address()
    assert.ok(typeof address === 'object' && address !== null)
    const gateway = httpGateway({ url: `https://127.0.0.1:${address.port}`, timeoutMs: 5_000 })
    t.after(() => {
      gateway.close()
      plain.close()
    })
    assert.equal((await gateway.charge(CHARGE, { mayLeave })).outcome, 'unsent')
    assert.doesNotMatch(received, /charges|4242/)
  })

  test('that may not be sent any more is not sent, on a new connection and on a kept one', async (t) => {
    const { url, arrived } = await scriptedServer(t, COMPLETED)
    const gateway = httpGateway({ url, timeoutMs: 5_000 })
    t.after(() => gateway.close())
    assert.equal((await gateway.charge(CHARGE, { mayLeave: () => false })).outcome, 'unsent')
    await gateway.charge(CHARGE, { mayLeave })
    assert.equal((await gateway.charge(CHARGE, { mayLeave: () => false })).outcome, 'unsent')
    assert.equal(arrived.length, 1)
  })
})

describe('a lookup', () => {
  test('finds the charge by its key', async (t) => {
    const { url, arrived } = await scriptedServer(t, respond(200, '{"id":"ch_1","status":"declined"}'))
    const gateway = httpGateway({ url, timeoutMs: 5_000 })
    t.after(() => gateway.close())
    assert.deepEqual(await gateway.find(CHARGE.key), { outcome: 'declined', chargeId: 'ch_1' })
    assert.deepEqual([arrived[0]?.method, arrived[0]?.target], ['GET', `/charges/${CHARGE.key}`])
  })

  test('reports only for 404 that there is no charge', async (t) => {
    const { url } = await scriptedServer(
      t,
      respond(404, ''),
      respond(410, ''),
      respond(403, ''),
      respond(204, ''),
    )
    const gateway = httpGateway({ url, timeoutMs: 5_000 })
    t.after(() => gateway.close())
    assert.deepEqual(await gateway.find(CHARGE.key), { outcome: 'none' })
    for (let n = 0; n < 3; n++) assert.equal((await gateway.find(CHARGE.key)).outcome, 'error')
  })

  test('ends in time', async (t) => {
    const { url } = await scriptedServer(t, silence)
    const gateway = httpGateway({ url, timeoutMs: 300 })
    t.after(() => gateway.close())
    assert.equal((await gateway.find(CHARGE.key)).outcome, 'timeout')
  })
})
