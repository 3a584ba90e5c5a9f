import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { newKey, send } from '../support/order-client.ts'
import { startProxy, startRawBackend } from '../support/proxy.ts'
import { assertProblem, exchange, one } from '../support/raw-http.ts'
import { freePort } from '../support/servers.ts'
import type { Service } from '../support/service.ts'
import { until } from '../support/until.ts'

const GET = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n'
const keyed = (key: string) =>
  `POST /a HTTP/1.1\r\nHost: x\r\nIdempotency-Key: ${key}\r\nContent-Length: 1\r\n\r\nx`

describe('a response of the backend', () => {
  const closing: (() => unknown)[] = []
  const t = { after: (close: () => unknown) => void closing.push(close) }
  let response = ''
  let end = false
  let proxy: Service
  let count = () => 0

  before(async () => {
    const backend = await startRawBackend(t, (socket) => {
      if (end) socket.end(response, 'latin1')
      else socket.write(response, 'latin1')
    })
    count = backend.count
    proxy = await startProxy(t, backend.url, [], { MAX_RESPONSE_BYTES: '1000' })
  })
  after(() => Promise.all(closing.map((close) => close())))

  function responses(text: string, then: 'stay' | 'end' = 'stay'): void {
    response = text
    end = then === 'end'
  }

  for (const [status, length] of [
    [304, 5],
    [304, 5_000],
    [204, 5],
  ] as const) {
    test(`${status} that declares ${length} bytes has none: it is passed on, recorded and replayed`, async () => {
      responses(`HTTP/1.1 ${status} Fine\r\nETag: "e"\r\nContent-Length: ${length}\r\n\r\n`)
      assert.equal((await one(proxy.port, GET)).status, status)
      const key = newKey()
      for (const replayed of ['', 'true']) {
        const reply = await one(proxy.port, keyed(key))
        assert.equal(`${reply.status} ${reply.header('etag')}`, `${status} "e"`)
        assert.equal(reply.header('idempotent-replayed'), replayed)
      }
    })
  }

  for (const [what, text] of [
    ['that is too large', `HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n${'x'.repeat(100)}`],
    [
      'in broken chunks that is an event stream',
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    ],
  ] as const) {
    test(`a response ${what}, cut at once, is a cut for its client and nothing else`, async () => {
      responses(text, 'end')
      for (let n = 0; n < 5; n++) {
        const key = newKey()
        const seen = count()
        const headers = { 'Idempotency-Key': key }
        await assert.rejects(send(proxy.url, { method: 'POST', body: 'x', headers }), { code: 'ECONNRESET' })
        const again = await send(proxy.url, { method: 'POST', body: 'x', headers })
        assert.equal(again.code, 'outcome_unknown')
        assert.equal(count(), seen + 1)
      }
      assert.doesNotMatch(proxy.log(), /"msg":"defect"/)
    })
  }

  test('with two types or odd names is recorded', async () => {
    const odd = '__proto__: a\r\n__proto__: b\r\nconstructor: c\r\nX-Latin: \xe9'
    responses(
      `HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n${odd}\r\nContent-Length: 2\r\n\r\nok`,
    )
    const key = newKey()
    const headers = { 'Idempotency-Key': key }
    for (const replayed of [undefined, 'true']) {
      const reply = await send(proxy.url, { method: 'POST', body: 'x', headers })
      assert.equal(`${reply.status} ${reply.headers['content-type']} ${reply.body}`, '200 a/b ok')
      assert.equal(reply.headers['idempotent-replayed'], replayed)
      assert.equal(`${reply.headers.constructor} ${reply.headers['x-latin']}`, 'c \xe9')
    }
  })

  for (const [what, head] of [
    ['429', '429 Slow Down\r\nX-Accel-Buffering: no'],
    ['"Idempotency-Outcome: none"', '200 OK\r\nContent-Type: text/event-stream\r\nIdempotency-Outcome: none'],
    ['"Idempotency-Outcome: none", too large,', '500 Oh\r\nIdempotency-Outcome: none'],
  ] as const) {
    test(`${what} frees the key also when it is passed on as a stream`, async () => {
      const body = what.includes('large') ? 'x'.repeat(5_000) : 'ok'
      responses(`HTTP/1.1 ${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      const key = newKey()
      const seen = count()
      for (let n = 0; n < 2; n++) assert.equal((await one(proxy.port, keyed(key))).body, body)
      assert.equal(count(), seen + 2)
    })
  }

  for (const status of [600, 799, 999]) {
    test(`with the status ${status} is malformed, and not stored`, async () => {
      responses(`HTTP/1.1 ${status} Oh\r\nContent-Length: 2\r\n\r\nok`)
      assertProblem(await one(proxy.port, GET), 502, 'backend_unreachable')
      const key = newKey()
      for (let n = 0; n < 2; n++) assertProblem(await one(proxy.port, keyed(key)), 409, 'outcome_unknown')
    })
  }

  test('that says Idempotent-Replayed by itself does so only where there is no key', async () => {
    responses('HTTP/1.1 200 OK\r\nIdempotent-Replayed: true\r\nContent-Length: 2\r\n\r\nok')
    assert.equal((await one(proxy.port, GET)).header('idempotent-replayed'), 'true')
    const key = newKey()
    for (const replayed of ['', 'true']) {
      assert.equal((await one(proxy.port, keyed(key))).header('idempotent-replayed'), replayed)
    }
  })

  test('in a transfer coding that was not asked for is malformed', async () => {
    for (const [coding, then] of [
      ['gzip', 'end'],
      ['gzip, chunked', 'stay'],
    ] as const) {
      responses(`HTTP/1.1 200 OK\r\nTransfer-Encoding: ${coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n`, then)
      assertProblem(await one(proxy.port, GET), 502, 'backend_unreachable')
      assertProblem(await one(proxy.port, keyed(newKey())), 409, 'outcome_unknown')
    }
  })

  test('that comes before the whole upload does not hold up the next request on the connection', async () => {
    responses('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno')
    const { responses: two } = await exchange(proxy.port, upload() + GET, { until: 2, timeoutMs: 15_000 })
    assert.deepEqual(
      two.map(({ status }) => status),
      [413, 413],
    )
  })
})

test('an upload to a backend that cannot be reached does not hold up the next request', async (t) => {
  const proxy = await startProxy(t, `http://127.0.0.1:${await freePort()}`)
  const { responses } = await exchange(proxy.port, upload() + GET, { until: 2, timeoutMs: 15_000 })
  for (const response of responses) assertProblem(response, 502, 'backend_unreachable')
})

test('a request that goes round in circles is ended', async (t) => {
  const port = await freePort()
  const one = await startProxy(t, `http://127.0.0.1:${port}`)
  const other = await startProxy(t, one.url, [], { PORT: String(port) })
  const reply = await send(other.url)
  assert.equal(`${reply.status} ${reply.code}`, '400 invalid_request')
  const rounds = (service: Service) => service.log().match(/"msg":"request"/g)?.length ?? 0
  await until('all are logged', () => rounds(one) + rounds(other) >= 11)
  assert.equal(rounds(one) + rounds(other), 11)
})

/** Far more than what fits into the buffers on the way. */
function upload(): string {
  const body = 'x'.repeat(3_000_000)
  return `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}
