import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BROKEN, type Ending, sendThen, WHOLE } from '../support/broken-responses.ts'
import { send } from '../support/order-client.ts'
import { startBackend, startProxy, startRawBackend, type TestBackend } from '../support/proxy.ts'
import { assertProblem, exchange, one } from '../support/raw-http.ts'
import type { Service } from '../support/service.ts'
import { until } from '../support/until.ts'

const MIB = 1024 * 1024
const BIG = 100 * MIB
const PIECE = Buffer.alloc(64 * 1024, 'x')

describe('a request without a key', () => {
  const closing: (() => unknown)[] = []
  const t = { after: (close: () => unknown) => void closing.push(close) }
  let backend: TestBackend
  let proxy: Service

  before(async () => {
    backend = await startBackend(t, (res, { target, method }, req) => {
      if (target.startsWith('/base/big')) return void sendBig(res, req)
      if (target.startsWith('/base/redirect')) {
        return void res.writeHead(302, { Location: 'http://127.0.0.1:1/elsewhere' }).end('over there')
      }
      if (target.startsWith('/base/slow')) return void res.once('close', () => left.push(target))
      if (target.startsWith('/base/headers')) {
        res.writeHead(200, [
          ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'ETag', '"x"', 'Connection', 'x-private, keep-alive'],
          ...['X-Private', 'no', 'X-Request-Id', 'its-own', 'Content-Length', '0'],
        ])
        return void res.end()
      }
      if (target.startsWith('/base/hints')) {
        res.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => res.end('after 103'))
        return
      }
      if (target.startsWith('/base/missing')) return void res.writeHead(404).end()
      res.setHeader('X-Method', method)
      res.end(JSON.stringify({ ok: true }))
    })
    proxy = await startProxy(t, `${backend.url}/base/`)
  })
  after(() => Promise.all(closing.map((close) => close())))

  const left: string[] = []

  /** What reached the backend for these bytes. */
  async function reached(lines: string[], body = '') {
    const seen = backend.reached.length
    const response = await one(proxy.port, `${lines.join('\r\n')}\r\n\r\n${body}`)
    return { response, reached: backend.reached[seen] }
  }

  for (const target of [
    ...['/', '/a/b?c=d&c=e', '/?', '/a//b', '//evil.example/x', '/%2e%2e/secret', '/../up', '/a/./b', '/%00'],
    ...['/a%2Fb', '/%zz', '/;p=1', '/caf%C3%A9', "/!$&'()*+,=:@", '/a?b=http://x/../y'],
  ]) {
    test(`the target ${JSON.stringify(target)} is passed on byte for byte, behind the base path`, async () => {
      const { response, reached: request } = await reached([`GET ${target} HTTP/1.1`, 'Host: me.example'])
      assert.equal(response.status, 200)
      assert.equal(request?.target, `/base${target}`)
      assert.deepEqual(request?.values('host'), [new URL(backend.url).host])
      assert.deepEqual(request?.values('x-forwarded-host'), ['me.example'])
    })
  }

  test('of an absolute target only the path is taken, its host is reported', async () => {
    for (const [target, path] of [
      ['http://evil.example/x?y', '/base/x?y'],
      ['http://127.0.0.1:1', '/base/'],
      ['HTTPS://u:p@evil.example?q', '/base/?q'],
    ]) {
      const { reached: request } = await reached([`GET ${target} HTTP/1.1`, 'Host: other.example'])
      assert.equal(request?.target, path)
      assert.deepEqual(request?.values('host'), [new URL(backend.url).host])
      assert.notDeepEqual(request?.values('x-forwarded-host'), ['other.example'])
    }
  })

  for (const [what, line, status, code] of [
    ['an asterisk', 'OPTIONS * HTTP/1.1', 400, 'invalid_request'],
    ['another scheme', 'GET ftp://x/ HTTP/1.1', 400, 'invalid_request'],
    ['a fragment', 'GET /a#b HTTP/1.1', 400, 'invalid_request'],
    ['TRACE', 'TRACE / HTTP/1.1', 405, 'method_not_allowed'],
    ['CONNECT', 'CONNECT evil.example:80 HTTP/1.1', 405, 'method_not_allowed'],
  ] as const) {
    test(`${what} is refused and does not reach the backend`, async () => {
      const { response, reached: request } = await reached([line, 'Host: x'])
      assertProblem(response, status, code)
      assert.equal(request, undefined)
    })
  }

  test('a request for WebSocket is refused; an offer of HTTP/2 is passed over', async () => {
    const websocket = ['Connection: Upgrade', 'Upgrade: websocket']
    const refused = await reached(['GET / HTTP/1.1', 'Host: x', ...websocket])
    assertProblem(refused.response, 400, 'invalid_request')
    assert.equal(refused.reached, undefined)

    const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk']
    const { response, reached: request } = await reached(['GET / HTTP/1.1', 'Host: x', ...h2c])
    assert.equal(response.status, 200)
    assert.deepEqual(request?.values('upgrade'), [])
    assert.deepEqual(request?.values('http2-settings'), [])
  })

  test('headers of the connection are dropped, those that it names too; all others come as they were sent', async () => {
    const { reached: request } = await reached([
      ...['GET / HTTP/1.1', 'Host: x', 'Connection: close, X-Drop', 'X-Drop: 1', 'Keep-Alive: timeout=9'],
      ...['TE: trailers', 'Proxy-Authorization: Basic eA==', 'Proxy-Connection: close', 'x-odd-CASE: v\xe9'],
      ...['Accept: a', 'Accept: b', 'Cookie: c=d', 'Authorization: Bearer t', 'X_Under_Score: 1', 'X-Empty:'],
      ...['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'X-Request-Id: mine-1'],
    ])
    const names = request?.lines.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()) ?? []
    for (const gone of [
      'x-drop',
      'keep-alive',
      'te',
      'proxy-authorization',
      'proxy-connection',
      'x_under_score',
    ]) {
      assert.ok(!names.includes(gone), gone)
    }
    assert.ok(request?.lines.includes('x-odd-CASE'))
    assert.deepEqual(request?.values('x-odd-case'), ['v\xe9'])
    assert.deepEqual(request?.values('accept'), ['a', 'b'])
    assert.deepEqual(request?.values('cookie'), ['c=d'])
    assert.deepEqual(request?.values('x-empty'), [''])
    assert.deepEqual(request?.values('authorization'), ['Bearer t'])
    assert.deepEqual(request?.values('x-request-id'), ['mine-1'])
    assert.deepEqual(request?.values('traceparent'), [
      '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    ])
    assert.deepEqual(request?.values('via'), ['1.1 oncekey'])
  })

  test('a trace that is malformed, or missing, is replaced by a new one', async () => {
    for (const lines of [
      [],
      ['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331', 'tracestate: a=1'],
      ['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'traceparent: x'],
    ]) {
      const { reached: request } = await reached(['GET / HTTP/1.1', 'Host: x', ...lines])
      assert.match(request?.values('traceparent').join() ?? '', /^00-(?!0af7)[0-9a-f]{32}-[0-9a-f]{16}-00$/)
      assert.deepEqual(request?.values('tracestate'), [])
    }
  })

  for (const name of [
    ...['X-Signature', 'Idempotency-Key', 'X-Idempotency-Key', 'Host', 'Authorization', 'X-Forwarded-For'],
    ...['Content-Length', 'Content-Type', 'Signature-Input', 'X-Client-Id', 'Cookie'],
  ]) {
    test(`Connection: ${name} is refused: what is checked here must reach the backend`, async () => {
      const { response, reached: request } = await reached([
        ...['GET / HTTP/1.1', 'Host: x', `Connection: keep-alive, ${name.toLowerCase()}`],
      ])
      assertProblem(response, 400, 'invalid_request')
      assert.equal(request, undefined)
    })
  }

  test('what a client says of its way here is forged, and replaced', async () => {
    const { reached: request } = await reached([
      ...['GET / HTTP/1.1', 'Host: me.example', 'X-Forwarded-For: 6.6.6.6', 'X-Real-IP: 6.6.6.6'],
      ...[
        'Forwarded: for=6.6.6.6',
        'X-Forwarded-Proto: https',
        'X-Forwarded-Host: evil',
        'X-Forwarded-Port: 1',
      ],
      ...['X_Forwarded_For: 6.6.6.6', 'x-forwarded-prefix: /admin'],
    ])
    assert.deepEqual(request?.values('x-forwarded-for'), ['127.0.0.1'])
    assert.deepEqual(request?.values('x-forwarded-proto'), ['http'])
    assert.deepEqual(request?.values('x-forwarded-host'), ['me.example'])
    assert.doesNotMatch(request?.lines.join('\n') ?? '', /6\.6\.6\.6|evil|admin|x-forwarded-port/i)
  })

  test('Expect: 100-continue is met here', async () => {
    const head = 'POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'
    const { responses, interim } = await exchange(proxy.port, head, {
      write: (socket) => void socket.write('body'),
    })
    assert.deepEqual(interim, [100])
    assert.equal(responses[0]?.status, 200)
    assert.equal(backend.reached.at(-1)?.body, 'body')
    assert.deepEqual(backend.reached.at(-1)?.values('expect'), [])
  })

  test('bodies pass with a length, in chunks (without trailers), compressed, and on any method', async () => {
    const chunked = '3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n'
    const coded = await reached(
      ['PUT /x HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked', 'Trailer: X-Trailer'],
      chunked,
    )
    assert.equal(coded.reached?.body, 'abcde')
    assert.doesNotMatch(coded.reached?.lines.join('\n') ?? '', /trailer/i)
    for (const method of ['POST', 'DELETE', 'PATCH', 'PROPFIND', 'GET']) {
      const { reached: request } = await reached(
        [`${method} /x HTTP/1.1`, 'Host: x', 'Content-Encoding: gzip', 'Content-Length: 3'],
        'abc',
      )
      assert.equal(`${request?.method} ${request?.body}`, `${method} abc`)
      assert.deepEqual(request?.values('content-encoding'), ['gzip'])
    }
  })

  test('the response comes with its status, repeated headers and spelling; not with those of the connection', async () => {
    const { response } = await reached(['GET /headers HTTP/1.1', 'Host: x'])
    const cookies = response.headers.filter(([name]) => name === 'Set-Cookie').map(([, value]) => value)
    assert.deepEqual(cookies, ['a=1', 'b=2'])
    assert.equal(response.header('x-private'), '')
    assert.ok(response.headers.some(([name]) => name === 'ETag'))
    assert.match(response.header('x-request-id'), /^[\w-]{36}$/)
    assert.equal((await reached(['GET /missing HTTP/1.1', 'Host: x'])).response.status, 404)
    assert.equal((await reached(['GET /hints HTTP/1.1', 'Host: x'])).response.body, 'after 103')
  })

  test('a redirect is passed on and not followed', async () => {
    const { response } = await reached(['GET /redirect HTTP/1.1', 'Host: x'])
    assert.equal(response.status, 302)
    assert.equal(response.header('location'), 'http://127.0.0.1:1/elsewhere')
  })

  test('HEAD has the headers of GET and no body', async () => {
    const response = await one(proxy.port, 'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n', { head: true })
    assert.equal(response.header('x-method'), 'HEAD')
  })

  test('requests one after the other on one connection each get their own response', async () => {
    const get = (n: number) => `GET /n${n} HTTP/1.1\r\nHost: x\r\nX-Request-Id: n${n}\r\n\r\n`
    const { responses } = await exchange(proxy.port, get(1) + get(2) + get(3), { until: 3 })
    assert.deepEqual(
      responses.map((response) => response.header('x-request-id')),
      ['n1', 'n2', 'n3'],
    )
  })

  test('a client that leaves ends its request to the backend', async () => {
    const socket = connect(proxy.port, '127.0.0.1')
    socket.write('GET /slow?leaves HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('the backend has it', () => backend.reached.some(({ target }) => target.endsWith('?leaves')))
    socket.destroy()
    await until('the backend knows', () => left.includes('/base/slow?leaves'))
  })

  test('100 MiB down and up, to sides that read slowly, stay out of memory', async () => {
    const beforeKib = residentKib(proxy.pid)
    const [down] = await Promise.all([slowlyRead('/big'), upload('/big?up')])
    assert.equal(down, BIG)
    const grown = peakKib(proxy.pid) - beforeKib
    assert.ok(grown < 90 * 1024, `it grew by ${Math.round(grown / 1024)} MiB`)
  })

  /** Reads a part, waits, and then reads the rest; meanwhile the backend must have been stopped. */
  async function slowlyRead(path: string): Promise<number> {
    const outgoing = request(proxy.url + path).end()
    const [response]: IncomingMessage[] = await once(outgoing, 'response')
    assert.ok(response)
    let size = 0
    await sleep(500)
    assert.ok(sentBytes < BIG / 2, `${sentBytes} bytes went to a client that reads nothing`)
    for await (const chunk of response) size += chunk.length
    return size
  }

  async function upload(path: string): Promise<void> {
    const outgoing = request(proxy.url + path, { method: 'POST' })
    for (let n = 0; n < BIG / PIECE.length; n++) {
      if (!outgoing.write(PIECE)) await once(outgoing, 'drain')
    }
    const answered = once(outgoing, 'response')
    outgoing.end()
    const [response]: IncomingMessage[] = await answered
    assert.equal(response?.statusCode, 200)
    response?.resume()
  }
})

let sentBytes = 0

function sendBig(res: import('node:http').ServerResponse, req: IncomingMessage): void {
  if (req.method === 'POST') return void res.end('taken')
  const more = () => {
    while (sentBytes < BIG) {
      sentBytes += PIECE.length
      if (!res.write(PIECE)) return void res.once('drain', more)
    }
    res.end()
  }
  more()
}

function residentKib(pid: number): number {
  return memory(pid, 'VmRSS')
}

function peakKib(pid: number): number {
  return memory(pid, 'VmHWM')
}

function memory(pid: number, name: string): number {
  if (process.platform !== 'linux') return 0
  return Number(
    new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
  )
}

describe('a backend that responds in no valid HTTP', () => {
  const faults: [what: string, bytes: string, ending: Ending, outcome: 'problem' | 'cut'][] = [
    ['two lengths', BROKEN.twoLengths, 'stay', 'problem'],
    [
      'a length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'stay',
      'problem',
    ],
    ['no HTTP at all', BROKEN.noHttp, 'stay', 'problem'],
    ['nothing, and hangs up', '', 'end', 'problem'],
    ['nothing, and resets', '', 'reset', 'problem'],
    ['half of its headers', 'HTTP/1.1 200 OK\r\nContent-Le', 'end', 'problem'],
    ['broken chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'stay', 'cut'],
    ['chunks without an end', BROKEN.chunksWithoutEnd, 'end', 'cut'],
    ['chunks without an end, closing', BROKEN.chunksWithoutEndClosing, 'end', 'cut'],
    ['less than its length', BROKEN.lessThanItsLength, 'end', 'cut'],
    [
      'less than its length, closing',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nok',
      'reset',
      'cut',
    ],
  ]
  const closing: (() => unknown)[] = []
  const t = { after: (close: () => unknown) => void closing.push(close) }
  let proxy: Service
  let response = WHOLE
  let ending: Ending = 'stay'

  before(async () => {
    const backend = await startRawBackend(t, (socket) => sendThen(socket, response, ending))
    proxy = await startProxy(t, backend.url)
  })
  after(() => Promise.all(closing.map((close) => close())))

  for (const [what, bytes, how, outcome] of faults) {
    test(`${what}: its client gets ${outcome === 'problem' ? '502' : 'what came, and sees that it is cut'}`, async () => {
      response = bytes
      ending = how
      if (outcome === 'problem') {
        const problem = await one(proxy.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        assertProblem(problem, 502, 'backend_unreachable')
      } else {
        await assert.rejects(send(proxy.url), { code: 'ECONNRESET' })
      }
    })
  }

  test('a response without a length ends with its connection, and the sidecar goes on', async () => {
    response = 'HTTP/1.0 200 OK\r\n\r\nuntil I hang up'
    ending = 'end'
    assert.equal((await send(proxy.url)).body.toString(), 'until I hang up')
    response = WHOLE
    ending = 'stay'
    assert.equal((await send(proxy.url)).body.toString(), 'ok')
  })
})
