import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertProblem, exchange, one } from '../support/raw-http.ts'
import { DEMO_SECRET, GOOD_BODY, newKey, signedGet, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
const { port } = world
after(() => world.close())

/** The keys of the requests that were to be accepted: at the end nothing else may be in the table. */
const accepted = new Set<string>()
const SIGNATURE = createHmac('sha256', DEMO_SECRET).update(GOOD_BODY).digest('hex')
const LENGTH = `Content-Length: ${GOOD_BODY.length}`
const CHUNK = `${GOOD_BODY.length.toString(16)}\r\n${GOOD_BODY}\r\n0\r\n\r\n`

interface Bytes {
  start?: string
  host?: string[]
  framing?: string[]
  lines?: string[]
  body?: string
}

/** An order that is right and signed (with v0, which covers only the body) but for what the case changes. */
function order(change: Bytes = {}, key = newKey()): string {
  const lines = [
    change.start ?? 'POST /orders HTTP/1.1',
    ...(change.host ?? ['Host: localhost']),
    'Content-Type: application/json',
    `Idempotency-Key: ${key}`,
    `X-Signature: ${SIGNATURE}`,
    ...(change.framing ?? [LENGTH]),
    ...(change.lines ?? []),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${change.body ?? GOOD_BODY}`
}

function chunked(body: string): string {
  return order({ framing: ['Transfer-Encoding: chunked'], body })
}

type Case = [name: string, bytes: string, status?: number, code?: string]

/** The parser cannot tell where such a request ends: one answer, then nothing more is read from the connection. */
const ENDED: Case[] = [
  [
    'Content-Length with Transfer-Encoding',
    order({ framing: [LENGTH, 'Transfer-Encoding: chunked'], body: CHUNK }),
  ],
  [
    'Transfer-Encoding with Content-Length',
    order({ framing: ['Transfer-Encoding: chunked', LENGTH], body: CHUNK }),
  ],
  ['the same Content-Length twice', order({ framing: [LENGTH, LENGTH] })],
  ['two different Content-Lengths', order({ framing: [LENGTH, 'Content-Length: 3'] })],
  ...[
    `${GOOD_BODY.length}, ${GOOD_BODY.length}`,
    '-1',
    `+${GOOD_BODY.length}`,
    '0x2f',
    '4 7',
    '1e2',
    '9'.repeat(20),
  ].map((value): Case => [`Content-Length: ${value}`, order({ framing: [`Content-Length: ${value}`] })]),
  ...['gzip, chunked', 'gzip', 'chunked, gzip', 'identity', 'xchunked', 'chunked, chunked'].map(
    (value): Case => [
      `Transfer-Encoding: ${value}`,
      order({ framing: [`Transfer-Encoding: ${value}`], body: CHUNK }),
    ],
  ),
  [
    'Transfer-Encoding twice',
    order({ framing: ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], body: CHUNK }),
  ],
  ['a space before the colon', order({ framing: ['Transfer-Encoding : chunked'], body: CHUNK })],
  [
    'Transfer-Encoding with HTTP/1.0',
    order({ start: 'POST /orders HTTP/1.0', framing: ['Transfer-Encoding: chunked'], body: CHUNK }),
  ],
  ['a chunk size that is no number', chunked(`xyz\r\n${GOOD_BODY}\r\n0\r\n\r\n`)],
  ['a negative chunk size', chunked(`-1\r\n${GOOD_BODY}\r\n0\r\n\r\n`)],
  ['a chunk size of 20 digits', chunked(`${'f'.repeat(20)}\r\n${GOOD_BODY}\r\n0\r\n\r\n`)],
  ['a chunk longer than its size', chunked(`2\r\n${GOOD_BODY}\r\n0\r\n\r\n`)],
  ['chunks ended by a bare LF', chunked(CHUNK.replaceAll('\r\n', '\n'))],
  ['a chunk extension of 20 KiB', chunked(`2f;a=${'b'.repeat(20_480)}\r\n${GOOD_BODY}\r\n0\r\n\r\n`)],
  ['a folded header line', order({ lines: ['X-A: b', ' c'] })],
  ['a folded key', order({ lines: ['X-Idempotency-Key: b\r\n\tc'] })],
  ['a folded line before the first header', order({ host: [' Host: localhost'] })],
  ['a bare CR in a value', order({ lines: ['X-A: b\rX-B: c'] })],
  ['a bare LF between two headers', order({ lines: ['X-A: b\nX-B: c'] })],
  ['nothing but bare LF', order().replaceAll('\r\n', '\n')],
  ['NUL in a value', order({ lines: ['X-A: b\0c'] })],
  ['NUL in a name', order({ lines: ['X\0A: b'] })],
  ['NUL in the target', order({ start: 'POST /ord\0ers HTTP/1.1' })],
  ['a header without a colon', order({ lines: ['X-A'] })],
  ['a header without a name', order({ lines: [': b'] })],
  ['a byte beyond ASCII in the target', order({ start: 'POST /orders\xff HTTP/1.1' })],
  ['HTTP/1.2', order({ start: 'POST /orders HTTP/1.2' })],
  ['HTTP/9.9', order({ start: 'POST /orders HTTP/9.9' })],
  ['no protocol at all', order({ start: 'POST /orders' })],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a method that does not exist', order({ start: 'BREW /orders HTTP/1.1' }), 405, 'method_not_allowed'],
  ['a method in lower case', order({ start: 'post /orders HTTP/1.1' }), 405, 'method_not_allowed'],
  ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 405, 'method_not_allowed'],
  ['CONNECT', order({ start: 'CONNECT evil.example:443 HTTP/1.1' }), 405, 'method_not_allowed'],
  ['a header of 17 KiB', order({ lines: [`X-A: ${'a'.repeat(17_408)}`] }), 431, 'headers_too_large'],
  [
    '17 KiB of headers',
    order({ lines: Array(90).fill(`X-A: ${'a'.repeat(200)}`) }),
    431,
    'headers_too_large',
  ],
  [
    'a target of 17 KiB',
    order({ start: `POST /orders?${'a'.repeat(17_408)} HTTP/1.1` }),
    431,
    'headers_too_large',
  ],
]

/** Understood, and refused: the connection may go on. */
const REFUSED: Case[] = [
  ['two Host headers', order({ host: ['Host: localhost', 'Host: evil.example'] })],
  ['the same Host header twice', order({ host: ['Host: localhost', 'Host: localhost'] })],
  ['no Host', order({ host: [] })],
  ['HTTP/2.0 in the request line', order({ start: 'POST /orders HTTP/2.0' })],
  ['HTTP/0.9 in the request line', order({ start: 'POST /orders HTTP/0.9' })],
  ['an expectation that is not met', order({ lines: ['Expect: 200-ok'] })],
  ['an absolute target', order({ start: 'POST http://localhost/orders HTTP/1.1' })],
  ['an absolute target of another host', order({ start: 'POST http://evil.example/orders HTTP/1.1' })],
  ['a target that begins with //', order({ start: 'POST //evil.example/orders HTTP/1.1' })],
  ['a fragment in the target', order({ start: 'POST /orders#a HTTP/1.1' })],
  ['* as target', order({ start: 'OPTIONS * HTTP/1.1' })],
  ['two Content-Types', order({ lines: ['Content-Type: text/plain'] })],
  ['TRACE', order({ start: 'TRACE /orders HTTP/1.1' }), 405, 'method_not_allowed'],
  ['PUT', order({ start: 'PUT /orders HTTP/1.1' }), 405, 'method_not_allowed'],
  ['PROPFIND', order({ start: 'PROPFIND /orders HTTP/1.1' }), 405, 'method_not_allowed'],
  ['PROPFIND of nothing', order({ start: 'PROPFIND /nothing HTTP/1.1' }), 404, 'not_found'],
  ['101 headers', order({ lines: Array(96).fill('X-A: a') }), 431, 'headers_too_large'],
  ['3,000 headers', order({ lines: Array(3_000).fill('A:') }), 431, 'headers_too_large'],
  ...[
    '/orders/%00',
    '/orders/%',
    '/orders/%ff',
    '/orders/..',
    '/x/%2e%2e/orders',
    '/x/../orders',
    '/%6frders%2f',
  ].map((target): Case => [`POST ${target}`, order({ start: `POST ${target} HTTP/1.1` }), 404, 'not_found']),
]

describe('a request that is not HTTP/1.1 gets one problem document and the end of the connection', () => {
  for (const [name, bytes, status = 400, code = 'invalid_request'] of ENDED) {
    test(name, async () => {
      // What follows must not be taken for a request of its own.
      const { answers, ms } = await exchange(port, bytes + order(), { until: 'close', timeoutMs: 4_000 })
      assert.equal(answers.length, 1, `${answers.length} answers`)
      const [answer] = answers
      assert.ok(answer)
      assertProblem(answer, status, code)
      assert.equal(answer.header('connection'), 'close')
      if (status === 405) assert.equal(answer.header('allow'), 'GET, HEAD, POST')
      assert.ok(ms < 4_000)
    })
  }
})

describe('a request that is HTTP/1.1 but nothing to go by gets a problem document', () => {
  for (const [name, bytes, status = 400, code = 'invalid_request'] of REFUSED) {
    test(name, async () => {
      const answer = await one(port, bytes, { timeoutMs: 2_000 })
      if (status === 405) assert.match(answer.header('allow'), /POST/)
      assertProblem(answer, status, code)
    })
  }

  test('a signed GET of a path with %00, % or %ff', async () => {
    for (const target of ['/orders/%00', '/orders/%', '/orders/%ff', '/orders/%c0%ae', '/orders/%2e%2e']) {
      const answer = await one(port, signedGet(target))
      assertProblem(answer, 404, 'not_found')
    }
  })
})

describe('what is unusual and right is accepted', () => {
  for (const [name, bytes] of [
    [
      'chunk extensions',
      (key) =>
        order(
          { framing: ['Transfer-Encoding: chunked'], body: `${CHUNK.replace('\r\n', ';a=b;c\r\n')}` },
          key,
        ),
    ],
    ['Chunked with a capital', (key) => order({ framing: ['Transfer-Encoding: Chunked'], body: CHUNK }, key)],
    [
      'an Upgrade that is not taken',
      (key) => order({ lines: ['Connection: Upgrade', 'Upgrade: websocket'] }, key),
    ],
    [
      'h2c that is not taken',
      (key) =>
        order(
          {
            lines: [
              'Connection: Upgrade, HTTP2-Settings',
              'Upgrade: h2c',
              'HTTP2-Settings: AAMAAABkAAQAAP__',
            ],
          },
          key,
        ),
    ],
    ['HTTP/1.0 without Host', (key) => order({ start: 'POST /orders HTTP/1.0', host: [] }, key)],
    ['100 headers', (key) => order({ lines: Array(95).fill('X-A: a') }, key)],
    ['an empty line before the request', (key) => `\r\n${order({}, key)}`],
    [
      'a trailer, which does not count as a header',
      (key) =>
        order(
          {
            framing: ['Transfer-Encoding: chunked'],
            body: CHUNK.replace(/\r\n$/, 'Idempotency-Key: other\r\n\r\n'),
          },
          key,
        ),
    ],
  ] satisfies [string, (key: string) => string][]) {
    test(name, async () => {
      const key = newKey()
      accepted.add(key)
      const answer = await one(port, bytes(key))
      assert.equal(answer.status, 201, answer.body)
      assert.equal(JSON.parse(answer.body).order.idempotency_key, key)
    })
  }

  test('Expect: 100-continue: the body is asked for, then taken', async () => {
    const key = newKey()
    accepted.add(key)
    const { answers, interim } = await exchange(
      port,
      order({ lines: ['Expect: 100-continue'], body: '' }, key),
      {
        write: (socket) => void once(socket, 'data').then(() => socket.write(GOOD_BODY)),
      },
    )
    assert.deepEqual(interim, [100])
    assert.equal(answers[0]?.status, 201)
  })

  test('pipelined requests are answered in their order, also where garbage follows', async () => {
    for (const garbage of [
      'GARBAGE\r\n\r\n',
      order({ framing: [LENGTH, LENGTH] }),
      'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    ]) {
      const [first, second] = [newKey(), newKey()]
      accepted.add(first).add(second)
      const bytes = order({}, first) + order({}, second) + garbage
      const { answers } = await exchange(port, bytes, { until: 'close' })
      assert.deepEqual(
        answers.map(({ status, body }) =>
          status === 201 ? JSON.parse(body).order.idempotency_key : status >= 400,
        ),
        [first, second, true],
      )
    }
  })
})

describe('a client that does not go on', { concurrency: true }, () => {
  const drip = (socket: Socket, bytes: string) => {
    let at = 0
    const timer = setInterval(() => socket.write(bytes.charAt(at++ % bytes.length)), 1_000)
    socket.once('close', () => clearInterval(timer))
  }

  test('one byte of the headers a second: 408 after 10 s', async () => {
    const { answers, ms } = await exchange(port, 'POST /orders HTTP/1.1\r\nX-A: ', {
      write: (socket) => drip(socket, 'a'),
      until: 'close',
      timeoutMs: 14_000,
    })
    assert.equal(answers.length, 1)
    if (answers[0]) assertProblem(answers[0], 408, 'request_timeout')
    assert.ok(ms > 9_000, `after ${ms} ms`)
  })

  for (const [name, framing, bytes] of [
    ['with its length', 'Content-Length: 1000', 'a'],
    ['in chunks', 'Transfer-Encoding: chunked', '1\r\na\r\n'],
  ] as const) {
    test(`one byte of the body a second, ${name}: 408 after 15 s`, async () => {
      const { answers, ms } = await exchange(port, order({ framing: [framing], body: '' }), {
        write: (socket) => drip(socket, bytes),
        until: 'close',
        timeoutMs: 20_000,
      })
      assert.equal(answers.length, 1)
      if (answers[0]) assertProblem(answers[0], 408, 'request_timeout')
      assert.ok(ms > 14_000, `after ${ms} ms`)
    })
  }

  test('300 connections on which nothing comes keep nobody out and end after 10 s', async () => {
    const sockets = Array.from({ length: 300 }, () =>
      connect(port, '127.0.0.1')
        .resume()
        .on('error', () => {}),
    )
    let open = sockets.length
    for (const socket of sockets) socket.once('close', () => open--)
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    const key = newKey()
    accepted.add(key)
    const { answers, ms } = await exchange(port, signedOrder({ key }))
    assert.equal(answers[0]?.status, 201)
    assert.ok(ms < 1_000, `an order took ${ms} ms beside them`)
    assert.equal(open, 300)
    await sleep(13_000)
    assert.equal(open, 0)
  })

  test('half a body, then the end of the connection: nothing is done, and the key is free', async () => {
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const key = newKey()
      const socket = connect(port, '127.0.0.1').resume()
      socket.write(order({ body: GOOD_BODY.slice(0, 10) }, key))
      await sleep(100)
      socket[leave]()
      await once(socket, 'close')
      accepted.add(key)
      assert.equal((await one(port, order({}, key))).status, 201)
    }
  })

  test('a connection whose client never hangs up after a refusal is ended', async () => {
    for (const bytes of ['GARBAGE\r\n\r\n', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n']) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
        .resume()
        .on('error', () => {})
      socket.write(bytes)
      await once(socket, 'end')
      await sleep(2_500)
      // The other side is gone: what is sent now is reset.
      const gone = new Promise((resolve) => socket.once('close', () => resolve(true)))
      const timer = setInterval(() => socket.write('a'), 50)
      assert.ok(await Promise.race([gone, sleep(1_000, false)]), 'the connection is still there')
      clearInterval(timer)
    }
  })
})

describe('metrics', () => {
  test('random paths, methods, clients, keys and signatures add no series', async () => {
    const odd = (n: number) => [
      `GET /${newKey()} HTTP/1.1\r\nHost: ${newKey()}\r\n\r\n`,
      `PROPFIND /${newKey()} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `M${n} / HTTP/1.1\r\nHost: a\r\n\r\n`,
      signedGet(`/orders/${newKey()}?${newKey()}=${n}`),
      signedGet('/orders', { client: newKey() }),
      signedOrder({ client: newKey(), key: newKey(), signature: newKey() }),
      signedGet(`/problems/${newKey()}`),
    ]
    const send = (n: number) => Promise.all(odd(n).map((bytes) => exchange(port, bytes)))
    await send(0)
    const before = await world.series()
    assert.ok(
      before.some((line) => line.includes('route="/orders/:id"')),
      'they are counted',
    )
    for (let n = 1; n <= 30; n++) await send(n)
    // The scrape before is itself a request that has since been counted.
    const scrape = (line: string) => !line.includes('route="/metrics"')
    assert.deepEqual((await world.series()).filter(scrape), before.filter(scrape))
  })
})

test('after all of it the service is alive, and no order is there but those that were right', async () => {
  assert.equal((await one(port, 'GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n')).status, 200)
  const keys = (await world.orders()).map(({ idempotency_key }) => idempotency_key)
  assert.deepEqual(keys.sort(), [...accepted].sort())
  assert.ok(!world.service.log().includes('"level":"error"'), 'nothing of it is a defect')
})
