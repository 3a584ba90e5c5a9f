import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { LeanResponse } from '../../internal/http/lean-response.ts'
import { exchange } from '../support/serve-app.ts'

type Answering = (res: ServerResponse) => void

/** The answer on the wire, by Node's own class and by ours; without the time. */
async function both(t: TestContext, answer: Answering): Promise<[string, string]> {
  const said: string[] = []
  for (const Response of [ServerResponse, LeanResponse]) {
    const listener: RequestListener = (_, res) => answer(res)
    const server = createServer({ ServerResponse: Response }, listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    const { head, body } = await exchange(
      address.port,
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    )
    said.push(`${head.replace(/^Date: .*$/m, 'Date')}\n\n${body}`)
  }
  const [node = '', ours = ''] = said
  return [node, ours]
}

const cases: Record<string, Answering> = {
  'headers, a status and a body'(res) {
    res.statusCode = 201
    res.setHeader('Content-Type', 'text/plain')
    res.setHeader('X-Count', 3)
    res.setHeader('Content-Length', 2)
    res.end('ok')
  },
  'none at all'(res) {
    res.end('ok')
  },
  'a header that is set again in another spelling'(res) {
    res.setHeader('X-Name', 'first')
    res.setHeader('X-Other', 'other')
    res.setHeader('x-name', 'second')
    res.end(String(res.getHeader('X-NAME')))
  },
  'headers of several lines'(res) {
    res.setHeader('Set-Cookie', ['a=1', 'b=2'])
    res.appendHeader('Vary', 'one')
    res.appendHeader('Vary', ['two', 'three'])
    res.appendHeader('Set-Cookie', 'c=3')
    res.end(JSON.stringify([res.getHeader('Vary'), res.getHeader('set-cookie')]))
  },
  'headers that are removed, those that Node adds among them'(res) {
    res.setHeader('X-Name', 'first')
    res.setHeader('X-Other', 'other')
    res.removeHeader('x-NAME')
    res.removeHeader('Date')
    res.removeHeader('Nothing')
    res.end(`${res.hasHeader('x-name')} ${res.hasHeader('X-OTHER')}`)
  },
  'what is there by its names'(res) {
    res.setHeader('X-Name', 'first')
    res.setHeader('Content-Type', 'text/plain')
    res.end(JSON.stringify([res.getHeaderNames(), res.getHeaders(), res.headersSent]))
  },
  'a head with an object'(res) {
    res.setHeader('X-Name', 'first')
    res.writeHead(202, 'Taken', { 'x-name': 'second', 'X-More': ['a', 'b'] }).end('ok')
  },
  'a head with a list'(res) {
    res.writeHead(202, ['X-Name', 'first', 'Content-Length', '2']).end('ok')
  },
  'a head with a list after a header'(res) {
    res.setHeader('X-Name', 'first')
    res.writeHead(202, ['X-Name', 'second', 'Content-Length', '2']).end('ok')
  },
  'a body in pieces, and a header that comes too late'(res) {
    res.setHeader('X-Name', 'first')
    res.write('a')
    assert.throws(() => res.setHeader('X-Late', 'late'), { code: 'ERR_HTTP_HEADERS_SENT' })
    assert.throws(() => res.removeHeader('X-Name'), { code: 'ERR_HTTP_HEADERS_SENT' })
    res.end('b')
  },
  'a value and a name that are none'(res) {
    assert.throws(() => res.setHeader('X-Name', 'a\nb'), { code: 'ERR_INVALID_CHAR' })
    assert.throws(() => res.setHeader('X-Names', ['a', 'a\nb']), { code: 'ERR_INVALID_CHAR' })
    assert.throws(() => res.setHeader('a b', 'a'), { code: 'ERR_INVALID_HTTP_TOKEN' })
    res.end('ok')
  },
  'a status without a body, and headers sent ahead'(res) {
    res.setHeader('X-Name', 'first')
    res.statusCode = 204
    res.flushHeaders()
    res.end()
  },
}

for (const [name, answer] of Object.entries(cases)) {
  test(`as Node answers: ${name}`, async (t) => {
    const [node, ours] = await both(t, answer)
    assert.equal(ours, node)
  })
}
