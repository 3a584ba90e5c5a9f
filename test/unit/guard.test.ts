import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptJson, guard } from '../../internal/http/guard.ts'
import { problems } from '../../internal/http/problems.ts'
import { exchange, type ServedResponse, serveApp } from '../support/serve-app.ts'

const reached = '{"reached":true}'

const closing = (lines: string[], body = '') =>
  `${[...lines, 'Connection: close', '', ''].join('\r\n')}${body}`

const middlewares = [
  problems((_, error) => assert.fail(String(error))),
  guard(),
  acceptJson(),
  async (ctx: { body: unknown }) => {
    ctx.body = reached
  },
]

function codeOf({ status, body }: ServedResponse): string {
  if (status === 200) return body
  const { code, status: told }: { code: string; status: number } = JSON.parse(body)
  assert.equal(told, status)
  return code
}

const TARGETS: [target: string, code: string][] = [
  ['/', reached],
  ['/orders?a=//b', reached],
  ['/a//b', reached],
  ['/%2e%2e/a', reached],
  ['//evil.example/orders', 'invalid_request'],
  ['http://evil.example/orders', 'invalid_request'],
  ['http://a/orders?b=c', reached],
  ['HTTPS://A/orders', reached],
  ['http://a', reached],
  ['http://a?b', reached],
  ['http://a//b', 'invalid_request'],
  ['http://a:80/orders', 'invalid_request'],
  ['http://a/b#c', 'invalid_request'],
  ['ftp://a/orders', 'invalid_request'],
  ['*', 'invalid_request'],
  ['/a#b', 'invalid_request'],
]

for (const [target, code] of TARGETS) {
  test(`the target ${target} gives ${code}`, async (t) => {
    const port = await serveApp(t, ...middlewares)
    assert.equal(codeOf(await exchange(port, closing([`OPTIONS ${target} HTTP/1.1`, 'Host: a']))), code)
  })
}

const HEADERS: [what: string, lines: string[], code: string][] = [
  ['one Host', ['Host: a'], reached],
  ['no Host', [], 'invalid_request'],
  ['two Hosts', ['Host: a', 'Host: a'], 'invalid_request'],
  ['two Hosts in different case', ['Host: a', 'hOST: b'], 'invalid_request'],
  ['two content types', ['Host: a', 'Content-Type: a/b', 'Content-Type: a/b'], 'invalid_request'],
  ['two keys', ['Host: a', 'Idempotency-Key: a', 'idempotency-key: a'], 'idempotency_key_invalid'],
  ['two other headers', ['Host: a', 'X-Other: a', 'X-Other: b'], reached],
  ['100 headers', ['Host: a', ...Array.from({ length: 98 }, (_, i) => `X-${i}: 1`)], reached],
  ['101 headers', ['Host: a', ...Array.from({ length: 99 }, (_, i) => `X-${i}: 1`)], 'headers_too_large'],
  ['1,500 headers', ['Host: a', ...Array.from({ length: 1_500 }, () => 'X: 1')], 'headers_too_large'],
  ['a header named after a member of every object', ['Host: a', 'constructor: 1', 'constructor: 2'], reached],
  ['JSON accepted', ['Host: a', 'Accept: text/html, application/*;q=0.1'], reached],
  ['JSON refused', ['Host: a', 'Accept: text/html'], 'not_acceptable'],
  ['JSON with weight 0', ['Host: a', 'Accept: application/json;q=0'], 'not_acceptable'],
]

for (const [what, lines, code] of HEADERS) {
  test(`${what}: ${code}`, async (t) => {
    const port = await serveApp(t, ...middlewares)
    assert.equal(codeOf(await exchange(port, closing(['GET / HTTP/1.1', ...lines]))), code)
  })
}

test('HTTP/1.0 needs no Host', async (t) => {
  const port = await serveApp(t, ...middlewares)
  assert.equal(codeOf(await exchange(port, closing(['GET / HTTP/1.0']))), reached)
})

for (const coding of ['gzip, chunked', 'identity, chunked']) {
  test(`Transfer-Encoding: ${coding} is refused and the connection ends`, async (t) => {
    const port = await serveApp(t, ...middlewares)
    // The request has no Connection: close, so the server ends the connection.
    const head = ['POST / HTTP/1.1', 'Host: a', `Transfer-Encoding: ${coding}`, '', ''].join('\r\n')
    const response = await exchange(port, `${head}0\r\n\r\n`)
    assert.equal(codeOf(response), 'invalid_request')
    assert.match(response.head, /^Connection: close\r?$/im)
  })
}

test('chunked is accepted', async (t) => {
  const port = await serveApp(t, ...middlewares)
  const request = closing(['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: Chunked'], '0\r\n\r\n')
  assert.equal(codeOf(await exchange(port, request)), reached)
})
