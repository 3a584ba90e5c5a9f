import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { type Middleware, parsedBody, rawBody } from '../../src/index.ts'
import { echo, LIMITS, ORDER, send, shop } from '../support/library-app.ts'
import { exchange } from '../support/serve-app.ts'

const BINARY = randomBytes(500)

/** Every kind of body that Koa knows, made anew by each run: what is replayed cannot be the same object. */
const BODIES: [what: string, make: () => unknown, bytes: Buffer | string, type: string | null][] = [
  ['an object', () => ({ z: 1, a: [2.5, 'ü'] }), '{"z":1,"a":[2.5,"ü"]}', 'application/json; charset=utf-8'],
  ['an array', () => [1, null], '[1,null]', 'application/json; charset=utf-8'],
  ['a string', () => 'grüße', 'grüße', 'text/plain; charset=utf-8'],
  ['HTML', () => '<p>ü</p>', '<p>ü</p>', 'text/html; charset=utf-8'],
  ['a Buffer', () => BINARY, BINARY, 'application/octet-stream'],
  [
    'a stream',
    () => Readable.from([BINARY, BINARY]),
    Buffer.concat([BINARY, BINARY]),
    'application/octet-stream',
  ],
  ['a web stream', () => new Blob([BINARY]).stream(), BINARY, 'application/octet-stream'],
  ['a Blob', () => new Blob([BINARY], { type: 'image/png' }), BINARY, 'image/png'],
  ['an empty string', () => '', '', 'text/plain; charset=utf-8'],
  ['an empty Buffer', () => Buffer.alloc(0), '', 'application/octet-stream'],
]

for (const [what, make, bytes, type] of BODIES) {
  test(`${what} gets a response as Koa would, and replayed byte for byte`, async (t) => {
    const { url, seen } = await shop(t, async (ctx) => {
      ctx.status = 201
      ctx.set('Location', '/things/1')
      ctx.body = make()
    })
    const first = await send(url, ORDER)
    assert.equal(first.status, 201)
    assert.deepEqual(first.bytes, Buffer.from(bytes))
    assert.equal(first.headers['content-type'], type)
    assert.equal(first.headers.location, '/things/1')
    assert.ok(!first.replayed, 'the first response is no replay')
    assert.deepEqual(await send(url, ORDER), { ...first, replayed: true })
    assert.equal(seen.runs, 1)
  })
}

test('a Response of fetch is sent, and replayed', async (t) => {
  const { url, seen } = await shop(t, async (ctx) => {
    ctx.body = new Response(BINARY, { status: 202, headers: { 'Content-Type': 'image/png' } })
  })
  const first = await send(url, ORDER)
  assert.equal(first.status, 202)
  assert.deepEqual(first.bytes, BINARY)
  assert.equal(first.headers['content-type'], 'image/png')
  assert.deepEqual(await send(url, ORDER), { ...first, replayed: true })
  assert.equal(seen.runs, 1)
})

test('204 without a body is replayed as such', async (t) => {
  const { url, seen } = await shop(t, async (ctx) => {
    ctx.status = 204
  })
  const first = await send(url, ORDER)
  assert.deepEqual([first.status, first.bytes.length, first.headers['content-type']], [204, 0, null])
  assert.deepEqual(await send(url, ORDER), { ...first, replayed: true })
  assert.equal(seen.runs, 1)
})

for (const chunked of [false, true]) {
  const how = chunked ? 'chunked' : 'with its length'

  test(`a binary body, ${how}, reaches the handler as it was sent`, async (t) => {
    const received: Buffer[] = []
    const keep: Middleware = async function keep(ctx) {
      received.push(ctx.state.body?.bytes ?? Buffer.alloc(0))
      ctx.body = ctx.state.body?.bytes
    }
    for (const body of [rawBody(LIMITS), parsedBody(LIMITS)]) {
      const { url } = await shop(t, keep, { body })
      const response = await send(url, BINARY, { type: 'application/octet-stream', chunked })
      assert.deepEqual([response.status, response.bytes], [200, BINARY])
    }
    assert.deepEqual(received, [BINARY, BINARY])
  })

  for (const [name, middleware] of [
    ['rawBody', rawBody],
    ['parsedBody', parsedBody],
  ] as const) {
    test(`${name} takes a body of exactly the limit, ${how}, and refuses one byte more`, async (t) => {
      const { url, seen } = await shop(t, echo, { body: middleware(LIMITS) })
      const body = JSON.stringify({ text: 'x'.repeat(1_000 - '{"text":""}'.length) })
      assert.equal(body.length, 1_000)
      assert.equal((await send(url, body, { chunked })).status, 201)
      const response = await send(url, `${body} `, { key: 'key-2', chunked })
      assert.deepEqual([response.status, response.code], [413, 'body_too_large'])
      const large = await send(url, `{"text":"${'x'.repeat(300_000)}"}`, { key: 'key-2', chunked })
      assert.deepEqual([large.status, large.code], [413, 'body_too_large'])
      assert.equal(seen.runs, 1)
    })
  }
}

test('a body that is announced as too large is refused before it is sent', async (t) => {
  for (const body of [rawBody(LIMITS), parsedBody(LIMITS)]) {
    const { url } = await shop(t, echo, { body })
    const head = [
      'POST /things HTTP/1.1',
      'Host: a',
      'Content-Type: application/json',
      'Content-Length: 1001',
    ]
    const { status } = await exchange(Number(new URL(url).port), [...head, '', ''].join('\r\n'))
    assert.equal(status, 413)
  }
})

const BAD_BODIES: [what: string, body: string | Buffer, headers: Record<string, string>, code: string][] = [
  ['text that is not JSON', '{"a":', {}, 'invalid_json'],
  ['JSON that is no object', '"text"', {}, 'invalid_json'],
  ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]), {}, 'invalid_json'],
  ['a poisoned prototype', '{"__proto__":{"a":1}}', {}, 'invalid_json'],
  ['a compressed body', Buffer.from([0x1f, 0x8b]), { 'Content-Encoding': 'gzip' }, 'unsupported_media_type'],
]

for (const [what, body, headers, code] of BAD_BODIES) {
  test(`parsedBody refuses ${what} with ${code}`, async (t) => {
    const { url, seen } = await shop(t, echo)
    assert.equal((await send(url, body, { headers })).code, code)
    assert.deepEqual([seen.runs, seen.reported], [0, []])
  })
}
