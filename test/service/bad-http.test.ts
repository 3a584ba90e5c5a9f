import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { assertProblem, exchange, one } from '../support/raw-http.ts'
import { DEMO_SECRET, GOOD_BODY, newKey, signedGet, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
const { port } = world
after(() => world.close())

/** The keys of the requests that must be accepted: at the end the table must have no others. */
const accepted = new Set<string>()
const SIGNATURE = createHmac('sha256', DEMO_SECRET).update(GOOD_BODY).digest('hex')
const LENGTH = `Content-Length: ${GOOD_BODY.length}`
const CHUNKED = 'Transfer-Encoding: chunked'
const CHUNKS = `${GOOD_BODY.length.toString(16)}\r\n${GOOD_BODY}\r\n0\r\n\r\n`

interface Change {
  start?: string
  host?: string[]
  framing?: string[]
  lines?: string[]
  body?: string
}

/** A valid, signed order (v0, which covers only the body), with the changes of the case. */
function order(change: Change = {}, key = newKey()): string {
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

const started = (start: string) => order({ start })
const hosted = (...host: string[]) => order({ host })
const lined = (...lines: string[]) => order({ lines })
/** The body is sent in chunks if a line has Transfer-Encoding. */
const framed = (...framing: string[]) =>
  order({ framing, body: framing.some((line) => line.startsWith('T')) ? CHUNKS : GOOD_BODY })
const chunked = (body: string, key = newKey()) => order({ framing: [CHUNKED], body }, key)
const sized = (size: string) => chunked(CHUNKS.replace(/^[0-9a-f]+/, size))

type Case = [name: string, bytes: string, status?: number, code?: string]
const NOT_ALLOWED = [405, 'method_not_allowed'] as const
const TOO_LARGE = [431, 'headers_too_large'] as const
const NOT_FOUND = [404, 'not_found'] as const

const LENGTHS = [
  `${GOOD_BODY.length}, ${GOOD_BODY.length}`,
  '-1',
  '+47',
  '0x2f',
  '4 7',
  '1e2',
  '9'.repeat(20),
]
const CODINGS = ['gzip, chunked', 'gzip', 'chunked, gzip', 'identity', 'xchunked', 'chunked, chunked']

/** The end of such a request is unknown: it gets one response, then the connection ends. */
const ENDED: Case[] = [
  ['Content-Length with Transfer-Encoding', framed(LENGTH, CHUNKED)],
  ['Transfer-Encoding with Content-Length', framed(CHUNKED, LENGTH)],
  ['the same Content-Length twice', framed(LENGTH, LENGTH)],
  ['two different Content-Lengths', framed(LENGTH, 'Content-Length: 3')],
  ...LENGTHS.map((value): Case => [`Content-Length: ${value}`, framed(`Content-Length: ${value}`)]),
  ...CODINGS.map((value): Case => [`Transfer-Encoding: ${value}`, framed(`Transfer-Encoding: ${value}`)]),
  ['Transfer-Encoding twice', framed(CHUNKED, CHUNKED)],
  ['a space before the colon', framed('Transfer-Encoding : chunked')],
  ['chunked in HTTP/1.0', order({ start: 'POST /orders HTTP/1.0', framing: [CHUNKED], body: CHUNKS })],
  ['a chunk size that is no number', sized('xyz')],
  ['a negative chunk size', sized('-1')],
  ['a chunk size of 20 digits', sized('f'.repeat(20))],
  ['a chunk longer than its size', sized('2')],
  ['a chunk extension of 20 KiB', sized(`2f;a=${'b'.repeat(20_480)}`)],
  ['chunks ended by a bare LF', chunked(CHUNKS.replaceAll('\r\n', '\n'))],
  ['a folded header line', lined('X-A: b', ' c')],
  ['a header line folded with a tab', lined('X-Idempotency-Key: b', '\tc')],
  ['a folded line before the first header', hosted(' Host: localhost')],
  ['a bare CR in a value', lined('X-A: b\rX-B: c')],
  ['a bare LF between two headers', lined('X-A: b\nX-B: c')],
  ['only bare LF', order().replaceAll('\r\n', '\n')],
  ['NUL in a value', lined('X-A: b\0c')],
  ['NUL in a name', lined('X\0A: b')],
  ['NUL in the target', started('POST /ord\0ers HTTP/1.1')],
  ['a header without a colon', lined('X-A')],
  ['a header without a name', lined(': b')],
  ['a byte beyond ASCII in the target', started('POST /orders\xff HTTP/1.1')],
  ['HTTP/1.2', started('POST /orders HTTP/1.2')],
  ['no protocol at all', started('POST /orders')],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a method that does not exist', started('BREW /orders HTTP/1.1'), ...NOT_ALLOWED],
  ['a method in lower case', started('post /orders HTTP/1.1'), ...NOT_ALLOWED],
  ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', ...NOT_ALLOWED],
  ['CONNECT', started('CONNECT evil.example:443 HTTP/1.1'), ...NOT_ALLOWED],
  ['a header of 17 KiB', lined(`X-A: ${'a'.repeat(17_408)}`), ...TOO_LARGE],
  ['17 KiB of headers', order({ lines: Array(90).fill(`X-A: ${'a'.repeat(200)}`) }), ...TOO_LARGE],
  ['a target of 17 KiB', started(`POST /orders?${'a'.repeat(17_408)} HTTP/1.1`), ...TOO_LARGE],
]

const posted = (target: string, ...response: [number, string] | readonly [number, string]): Case => [
  `POST ${target}`,
  started(`POST ${target} HTTP/1.1`),
  ...response,
]

/** Parsed but refused: the connection may stay open. */
const REFUSED: Case[] = [
  ['two Host headers', hosted('Host: localhost', 'Host: evil.example')],
  ['the same Host header twice', hosted('Host: localhost', 'Host: localhost')],
  ['no Host', hosted()],
  ['HTTP/2.0 in the request line', started('POST /orders HTTP/2.0')],
  ['HTTP/0.9 in the request line', started('POST /orders HTTP/0.9')],
  ['an expectation that is not met', lined('Expect: 200-ok')],
  [
    'an absolute target with another host than the Host header',
    started('POST http://evil.example/orders HTTP/1.1'),
  ],
  ['an absolute target whose path begins with //', started('POST http://localhost//orders HTTP/1.1')],
  ['an absolute target with credentials', started('POST http://a@localhost/orders HTTP/1.1')],
  ['a target that begins with //', started('POST //evil.example/orders HTTP/1.1')],
  ['a fragment in the target', started('POST /orders#a HTTP/1.1')],
  ['* as target', started('OPTIONS * HTTP/1.1')],
  ['two Content-Types', lined('Content-Type: text/plain')],
  ['TRACE', started('TRACE /orders HTTP/1.1'), ...NOT_ALLOWED],
  ['PUT', started('PUT /orders HTTP/1.1'), ...NOT_ALLOWED],
  ['PROPFIND', started('PROPFIND /orders HTTP/1.1'), ...NOT_ALLOWED],
  ['PROPFIND of nothing', started('PROPFIND /nothing HTTP/1.1'), ...NOT_FOUND],
  ['101 headers', order({ lines: Array(96).fill('X-A: a') }), ...TOO_LARGE],
  ['3,000 headers', order({ lines: Array(3_000).fill('A:') }), ...TOO_LARGE],
  ...['/orders/%00', '/orders/%', '/orders/%ff', '/orders/..'].map((one) => posted(one, ...NOT_ALLOWED)),
  ...['/x/%2e%2e/orders', '/x/../orders', '/./orders', '/%6frders%2f', '/orders;a', '/orders%20'].map((one) =>
    posted(one, ...NOT_FOUND),
  ),
]

describe('a request that is not valid HTTP/1.1 gets one problem document, and the connection ends', () => {
  for (const [name, bytes, status = 400, code = 'invalid_request'] of ENDED) {
    test(name, async () => {
      // The bytes that follow must not be handled as a request.
      const { responses, ms } = await exchange(port, bytes + order(), { until: 'close', timeoutMs: 4_000 })
      assert.equal(responses.length, 1, `${responses.length} responses`)
      const [response] = responses
      assert.ok(response)
      assertProblem(response, status, code)
      assert.equal(response.header('connection'), 'close')
      if (status === 405) assert.equal(response.header('allow'), 'GET, HEAD, POST')
      assert.ok(ms < 4_000)
    })
  }
})

describe('a valid HTTP/1.1 request that is refused gets a problem document', () => {
  for (const [name, bytes, status = 400, code = 'invalid_request'] of REFUSED) {
    test(name, async () => {
      const response = await one(port, bytes, { timeoutMs: 2_000 })
      if (status === 405) assert.match(response.header('allow'), /GET/)
      assertProblem(response, status, code)
    })
  }

  test('a signed GET of a path with %00, % or %ff', async () => {
    for (const target of ['/orders/%00', '/orders/%', '/orders/%ff', '/orders/%c0%ae', '/orders/%2e%2e']) {
      const response = await one(port, signedGet(target))
      assertProblem(response, 404, 'not_found')
    }
  })
})

type GoodCase = [name: string, bytes: (key: string) => string]

const ACCEPTED: GoodCase[] = [
  ['chunk extensions', (key) => chunked(CHUNKS.replace('\r\n', ';a=b;c\r\n'), key)],
  ['Chunked with a capital', (key) => order({ framing: ['Transfer-Encoding: Chunked'], body: CHUNKS }, key)],
  [
    'an Upgrade, which is ignored',
    (key) => order({ lines: ['Connection: Upgrade', 'Upgrade: websocket'] }, key),
  ],
  [
    'h2c, which is ignored',
    (key) => order({ lines: ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c'] }, key),
  ],
  ['HTTP/1.0 without Host', (key) => order({ start: 'POST /orders HTTP/1.0', host: [] }, key)],
  ['100 headers', (key) => order({ lines: Array(95).fill('X-A: a') }, key)],
  ['an empty line before the request', (key) => `\r\n${order({}, key)}`],
  [
    'a trailer, which does not count as a header',
    (key) => chunked(CHUNKS.replace(/\r\n$/, 'Idempotency-Key: other\r\n\r\n'), key),
  ],
]

describe('an unusual but valid request is accepted', () => {
  for (const [name, bytes] of ACCEPTED) {
    test(name, async () => {
      const key = newKey()
      accepted.add(key)
      const response = await one(port, bytes(key))
      assert.equal(response.status, 201, response.body)
      assert.equal(JSON.parse(response.body).order.idempotency_key, key)
    })
  }

  test('Expect: 100-continue gets 100 Continue, then the body is accepted', async () => {
    const key = newKey()
    accepted.add(key)
    const { responses, interim } = await exchange(
      port,
      order({ lines: ['Expect: 100-continue'], body: '' }, key),
      {
        write: (socket) => void once(socket, 'data').then(() => socket.write(GOOD_BODY)),
      },
    )
    assert.deepEqual(interim, [100])
    assert.equal(responses[0]?.status, 201)
  })

  const REFUSED: [what: string, framing: string[], status: number][] = [
    ['that is too large', ['Content-Length: 70000'], 413],
    ['with an unsupported coding', ['Content-Length: 100', 'Content-Encoding: gzip'], 415],
  ]
  for (const [what, framing, status] of REFUSED) {
    test(`Expect: 100-continue with a body ${what} gets ${status} at once, and the connection ends`, async () => {
      const head = order({ framing, lines: ['Expect: 100-continue'], body: '' })
      const { responses, interim } = await exchange(port, head, { until: 'close' })
      assert.deepEqual(interim, [])
      assert.deepEqual(
        responses.map((response) => [response.status, response.header('connection')]),
        [[status, 'close']],
      )
    })
  }

  test('pipelined requests get their responses in order, also if garbage follows', async () => {
    for (const garbage of [
      'GARBAGE\r\n\r\n',
      framed(LENGTH, LENGTH),
      'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    ]) {
      const [first, second] = [newKey(), newKey()]
      accepted.add(first).add(second)
      const bytes = order({}, first) + order({}, second) + garbage
      const { responses } = await exchange(port, bytes, { until: 'close' })
      assert.deepEqual(
        responses.map(({ status, body }) =>
          status === 201 ? JSON.parse(body).order.idempotency_key : status >= 400,
        ),
        [first, second, true],
      )
    }
  })
})

describe('metrics', () => {
  const UNUSUAL = ['PROPFIND', 'SEARCH', 'LOCK', 'MKCOL', 'PURGE', 'REPORT', 'TRACE', 'UNLINK']

  test('random paths, methods, clients, keys and signatures add no series', async () => {
    const odd = (n: number) => [
      `GET /${newKey()} HTTP/1.1\r\nHost: ${newKey()}\r\n\r\n`,
      `${UNUSUAL[n % UNUSUAL.length]} /${newKey()} HTTP/1.1\r\nHost: a\r\n\r\n`,
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
    // The previous scrape is itself a request that was counted.
    const scrape = (line: string) => !line.includes('route="/metrics"')
    assert.deepEqual((await world.series()).filter(scrape), before.filter(scrape))
  })
})

test('afterwards the service is alive, and only the valid orders exist', async () => {
  assert.equal((await one(port, 'GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n')).status, 200)
  const keys = (await world.orders()).map(({ idempotency_key }) => idempotency_key)
  assert.deepEqual(keys.sort(), [...accepted].sort())
  assert.ok(!world.service.log().includes('"level":"error"'), 'nothing of it is a defect')
})
