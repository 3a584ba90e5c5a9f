import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import Koa from 'koa'
import { type RequestState, WireBody } from '../../internal/core/request-state.ts'
import { ServiceError } from '../../internal/core/service-error.ts'
import { type Client, permanentSecret, toSecret } from '../../internal/signature/client-registry.ts'
import { sign } from '../../internal/signature/schemes.ts'
import { type VerifySignatureOptions, verifySignature } from '../../internal/signature/verify-signature.ts'
import { type Intent, ORDER, registryOf, SIGNED_AT, signV1 } from '../support/signed-request.ts'

const OPTIONS: VerifySignatureOptions = {
  registry: registryOf({ acme: { secrets: ['acme-1'] }, strict: { secrets: ['strict-1'], minScheme: 'v1' } }),
  minScheme: 'v0',
  toleranceMs: 300_000,
  now: () => SIGNED_AT * 1000,
}

/** A server with a body reader, the middleware, and a handler that responds with the caller. */
async function serve(t: TestContext, options: Partial<VerifySignatureOptions> = {}): Promise<number> {
  const app = new Koa<RequestState>()
  app.use(async (ctx, next) => {
    try {
      const chunks: Buffer[] = []
      for await (const chunk of ctx.req) chunks.push(chunk)
      ctx.state.body = new WireBody(Buffer.concat(chunks))
      await next()
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error
      ctx.status = error.status
      ctx.set(error.headers)
      ctx.body = { code: error.code, detail: error.message }
    }
  })
  app.use(verifySignature({ ...OPTIONS, ...options }))
  app.use((ctx) => {
    if (ctx.path === '/late-error') throw new ServiceError('not_found', 'There is no such order.')
    ctx.body = { caller: ctx.state.caller }
  })
  const server = app.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const address: AddressInfo | string | null = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

interface ServedResponse {
  status: number
  head: string
  body: string
}

/** Sends exactly these bytes, without an HTTP client. */
async function send(port: number, intent: Intent, ...lines: string[]): Promise<ServedResponse> {
  const body = Buffer.from(intent.body)
  const head = [
    `${intent.method} ${intent.target} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    `Content-Length: ${body.length}`,
    ...(intent.client === undefined ? [] : [`X-Client-Id: ${intent.client}`]),
    ...(intent.key === '' ? [] : [`Idempotency-Key: ${intent.key}`]),
    ...lines,
  ]
  const socket = connect(port, '127.0.0.1')
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]))
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  const [responseHead = '', responseBody = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n')
  return {
    status: Number(responseHead.split(' ')[1]),
    head: responseHead.replace(/\r\nDate: .*/, ''),
    body: responseBody,
  }
}

function v1(secret: string, intent: Intent): string {
  return `X-Signature: ${signV1(secret, intent)}`
}

function v0(secret: string, intent: Intent): string {
  return `X-Signature: ${sign({ scheme: 'v0', secret, body: intent.body })}`
}

test('a signed request is accepted, and the handler gets the caller', async (t) => {
  const port = await serve(t)
  const response = await send(port, ORDER, v1('acme-1', ORDER))
  assert.equal(response.status, 200)
  assert.deepEqual(JSON.parse(response.body), { caller: { client: 'acme', scheme: 'v1' } })
  assert.doesNotMatch(response.head, /Deprecation|WWW-Authenticate/)
})

test('the signature covers the bytes as sent, including an unusual target and a key in UTF-8', async (t) => {
  const port = await serve(t)
  for (const target of ['/a//b/../c?x=%20&y=%2F#', '//evil/orders', 'http://other/orders?x=1', '/%zz']) {
    const intent = {
      ...ORDER,
      target,
      key: '  clé "x"  '.trim(),
      body: Buffer.from([0xef, 0xbb, 0xbf, 0xff, 0]),
    }
    const response = await send(port, intent, v1('acme-1', intent))
    assert.equal(response.status, 200, target)
  }
})

test('a response to a v0 request has Deprecation, on success and on later errors', async (t) => {
  const port = await serve(t)
  for (const [intent, secret, status] of [
    [ORDER, 'acme-1', 200],
    [{ ...ORDER, target: '/late-error' }, 'acme-1', 404],
    [{ ...ORDER, client: 'strict' }, 'strict-1', 403],
    [{ ...ORDER, body: '' }, 'acme-1', 403],
  ] as const) {
    const response = await send(port, intent, v0(secret, intent))
    assert.equal(response.status, status)
    assert.match(response.head, /^Deprecation: @1767225600\r?$/m)
    assert.doesNotMatch(response.head, /WWW-Authenticate/)
  }
})

test('every 401 has a challenge and no Deprecation', async (t) => {
  const port = await serve(t)
  const late = { ...ORDER, timestamp: SIGNED_AT - 301 }
  for (const [lines, code] of [
    [[], 'signature_missing'],
    [['X-Signature: nonsense'], 'signature_invalid'],
    [['X-Signature:'], 'signature_invalid'],
    [[v1('acme-1', ORDER), v1('acme-1', ORDER)], 'signature_invalid'],
    [[v0('acme-1', ORDER), v1('acme-1', ORDER)], 'signature_invalid'],
    [[v1('acme-1', ORDER), 'Signature: sig=:AA==:'], 'signature_invalid'],
    [[v1('acme-1', ORDER), 'X-Client-Id: acme'], 'signature_invalid'],
    [[v0('wrong', ORDER)], 'signature_invalid'],
    [[v1('acme-1', late)], 'timestamp_out_of_range'],
  ] as const) {
    const response = await send(port, ORDER, ...lines)
    assert.equal(response.status, 401)
    assert.equal(JSON.parse(response.body).code, code)
    assert.match(response.head, /^WWW-Authenticate: Signature realm="oncekey"\r?$/m)
    assert.doesNotMatch(response.head, /Deprecation/)
  }
})

test('an unknown client and a wrong signature get byte-identical responses', async (t) => {
  const port = await serve(t)
  const responses: ServedResponse[] = []
  for (const client of ['acme', 'strict', 'nobody', 'not a client', '']) {
    const intent = { ...ORDER, client }
    responses.push(
      await send(port, intent, v1('wrong', intent)),
      await send(port, intent, v0('wrong', intent)),
    )
  }
  for (const response of responses) assert.deepEqual(response, responses[0])
  assert.equal(responses[0]?.status, 401)
})

test('each request is counted once, by scheme and result', async (t) => {
  const seen: string[] = []
  const port = await serve(t, { onVerified: (scheme, result) => seen.push(`${scheme} ${result}`) })
  await send(port, ORDER)
  await send(port, ORDER, 'X-Signature: x')
  await send(port, ORDER, v1('wrong', ORDER))
  await send(port, ORDER, v0('acme-1', ORDER))
  await send(port, ORDER, v1('acme-1', ORDER))
  await send(port, { ...ORDER, client: 'strict' }, v0('strict-1', ORDER))
  assert.deepEqual(seen, [
    'none signature_missing',
    'none signature_invalid',
    'v1 signature_invalid',
    'v0 ok',
    'v1 ok',
    'v0 scheme_not_allowed',
  ])
})

/** A client with a retiring secret and a new one. */
function rotating(): Client {
  const old = { key: toSecret('old'), expiresAtMs: Date.UTC(2026, 0, 4, 1, 2, 3) }
  return { id: 'acme', secrets: [old, permanentSecret('new')], minScheme: undefined }
}

test('a response to a retiring secret has X-Secret-Expires, on success and on errors', async (t) => {
  const registry = { find: () => rotating() }
  const port = await serve(t, { registry })
  const strict = await serve(t, { registry, minScheme: 'rfc9421' })
  const late = { ...ORDER, target: '/late-error' }
  for (const response of [
    await send(port, ORDER, v1('old', ORDER)),
    await send(port, ORDER, v0('old', ORDER)),
    await send(port, late, v1('old', late)),
    await send(strict, ORDER, v1('old', ORDER)),
  ]) {
    assert.match(response.head, /^X-Secret-Expires: 2026-01-04T01:02:03\.000Z\r?$/m, response.head)
  }
})

test('there is no X-Secret-Expires for the new secret, for signatures with both secrets, and in a refusal', async (t) => {
  const port = await serve(t, { registry: { find: () => rotating() } })
  const [, newMac] = v1('new', ORDER).split(',')
  for (const [line, status] of [
    [v1('new', ORDER), 200],
    [`${v1('old', ORDER)},${newMac}`, 200],
    [v1('wrong', ORDER), 401],
  ] as const) {
    const response = await send(port, ORDER, line)
    assert.equal(response.status, status)
    assert.doesNotMatch(response.head, /X-Secret-Expires/)
  }
})

test('a signature that matches no secret is verified again if catchUp found a change', async (t) => {
  let known: Client | undefined
  let asked = 0
  const seen: string[] = []
  const registry = {
    find: () => known,
    async catchUp() {
      asked++
      if (known !== undefined) return false
      known = rotating()
      return true
    },
  }
  const port = await serve(t, { registry, onVerified: (_, result) => seen.push(result) })
  assert.equal((await send(port, ORDER, v1('new', ORDER))).status, 200)
  assert.equal(asked, 1)
  assert.equal((await send(port, ORDER, v1('new', ORDER))).status, 200)
  assert.equal(asked, 1, 'a match does not call catchUp')
  assert.equal((await send(port, ORDER, v1('wrong', ORDER))).status, 401)
  assert.equal(asked, 2)
  const late = { ...ORDER, timestamp: SIGNED_AT - 301 }
  await send(port, late, v1('new', late))
  await send(port, ORDER)
  await send(port, ORDER, 'X-Signature: x')
  assert.equal(asked, 2, 'other refusals do not call catchUp')
  assert.deepEqual(seen, [
    'ok',
    'ok',
    'signature_invalid',
    'timestamp_out_of_range',
    'signature_missing',
    'signature_invalid',
  ])
})

test('the middleware is named and fails without the raw body', async () => {
  const middleware = verifySignature(OPTIONS)
  assert.equal(middleware.name, 'verifySignature')
  const app = new Koa<RequestState>()
  app.silent = true
  const failure = once(app, 'error')
  app.use(middleware)
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const response = await send(address.port, ORDER, v1('acme-1', ORDER))
  server.close()
  assert.equal(response.status, 500)
  const [error] = await failure
  assert.match(String(error), /rawBody must come before/)
})

test('only with hints on, a known mistake made with the real secret is named', async (t) => {
  const off = await serve(t)
  const on = await serve(t, { hints: true })
  const late = { ...ORDER, timestamp: SIGNED_AT - 301 }
  const newline = v1('acme-1', { ...ORDER, body: `${ORDER.body}\n` })
  for (const [lines, client] of [
    [[], 'acme'],
    [[v1('wrong', ORDER)], 'acme'],
    [[v0('wrong', ORDER)], 'acme'],
    [[v1('', ORDER)], 'acme'],
    [['X-Signature: nonsense'], 'acme'],
    [[v1('acme-1', late)], 'acme'],
    [[v1('acme-1', { ...late, body: `${ORDER.body}\n` })], 'acme'],
    [[newline], 'nobody'],
    [[newline], 'strict'],
    [['Signature: sig1=:AAAA:'], 'acme'],
  ] as const) {
    const intent = { ...ORDER, client }
    assert.deepEqual(await send(on, intent, ...lines), await send(off, intent, ...lines))
  }
  const plain = await send(off, ORDER, newline)
  const hinted = await send(on, ORDER, newline)
  assert.deepEqual(plain, await send(off, ORDER, v1('wrong', ORDER)))
  const { detail } = JSON.parse(plain.body)
  assert.equal(JSON.parse(hinted.body).code, 'signature_invalid')
  assert.ok(JSON.parse(hinted.body).detail.startsWith(`${detail} Hint: the body was signed with a newline`))
  const prefixed = await send(on, ORDER, v0('acme-1', ORDER).replace(': ', ': sha256='))
  assert.match(prefixed.body, /Hint: the header has .*sha256=.* before the digits: leave it out\./)
})
