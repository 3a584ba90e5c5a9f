import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import Koa from 'koa'
import { type Middleware, type RequestState, WireBody } from '../../internal/core/request-state.ts'
import { problems } from '../../internal/http/problems.ts'
import { apiKeys } from '../../internal/signature/api-keys.ts'
import { type AuthenticateOptions, authenticate } from '../../internal/signature/authenticate.ts'
import { verifySignature } from '../../internal/signature/verify-signature.ts'
import { assertProblem, one, type RawResponse } from '../support/raw-http.ts'
import { ORDER, registryOf, SIGNED_AT, signV1 } from '../support/signed-request.ts'

const KEY = 'key-of-ann-0001'
const keys = apiKeys([
  { user: 'bob', key: 'key-of-bob-0001' },
  { user: 'ann', key: KEY },
  { user: 'zoe', key: 'key-of-zoe-0001' },
])

const readBody: Middleware = async function readBody(ctx, next) {
  const chunks: Buffer[] = []
  for await (const chunk of ctx.req) chunks.push(chunk)
  ctx.state.body = new WireBody(Buffer.concat(chunks))
  await next()
}

interface Tried {
  /** Sends these header lines. */
  ask(...lines: string[]): Promise<RawResponse>
  seen: string[]
}

/** A server with the middleware and a handler that responds with the caller. `seen` records the callbacks. */
async function serve(t: TestContext, change: Partial<AuthenticateOptions> = {}): Promise<Tried> {
  const seen: string[] = []
  const see = (scheme: string, result: string) => void seen.push(`${scheme} ${result}`)
  const app = new Koa<RequestState>()
  app.use(async (ctx, next) => {
    ctx.state.requestId = 'fixed'
    ctx.set('X-Request-Id', 'fixed')
    await next()
  })
  app.use(problems(() => {})).use(readBody)
  const signature = verifySignature({
    registry: registryOf({ acme: { secrets: ['acme-1'] } }),
    minScheme: 'v0',
    toleranceMs: 300_000,
    now: () => SIGNED_AT * 1_000,
    onVerified: see,
  })
  app.use(authenticate({ verifySignature: signature, apiKeys: keys, onAuthenticated: see, ...change }))
  app.use((ctx) => {
    ctx.body = { caller: ctx.state.caller }
  })
  const server = app.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const { port } = address
  return {
    seen,
    ask(...lines) {
      const head = [
        `${ORDER.method} ${ORDER.target} HTTP/1.1`,
        'Host: localhost',
        `Idempotency-Key: ${ORDER.key}`,
        `Content-Length: ${ORDER.body.length}`,
        ...lines,
      ]
      return one(port, `${head.join('\r\n')}\r\n\r\n${ORDER.body}`)
    },
  }
}

const SIGNED = ['X-Client-Id: acme', `X-Signature: ${signV1('acme-1', ORDER)}`]
const caller = (response: RawResponse): unknown => JSON.parse(response.body).caller
const challenges = (response: RawResponse) =>
  response.headers.filter(([name]) => name.toLowerCase() === 'www-authenticate').map(([, value]) => value)

test('an API key identifies the caller, with Bearer in any case', async (t) => {
  const { ask, seen } = await serve(t)
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
    const response = await ask(`Authorization: ${scheme} ${KEY}`)
    assert.equal(response.status, 200)
    assert.deepEqual(caller(response), { client: 'ann', scheme: 'bearer' })
  }
  assert.deepEqual(caller(await ask('AUTHORIZATION: Bearer key-of-zoe-0001')), {
    client: 'zoe',
    scheme: 'bearer',
  })
  // X-Client-Id without a signature is not a credential.
  assert.deepEqual(caller(await ask('X-Client-Id: acme', `Authorization: Bearer ${KEY}`)), {
    client: 'ann',
    scheme: 'bearer',
  })
  assert.deepEqual(new Set(seen), new Set(['bearer ok']))
})

test('a signed request is passed to the signature middleware, which alone decides about it', async (t) => {
  const { ask, seen } = await serve(t)
  assert.deepEqual(caller(await ask(...SIGNED)), { client: 'acme', scheme: 'v1' })
  assertProblem(await ask('X-Client-Id: acme', 'X-Signature: nonsense'), 401, 'signature_invalid')
  assertProblem(await ask('Signature: sig1=:AAAA:'), 401, 'signature_invalid')
  assert.deepEqual(seen, ['v1 ok', 'none signature_invalid', 'none signature_invalid'])
})

const WRONG: [what: string, lines: string[]][] = [
  ['an unknown key', ['Authorization: Bearer key-of-nobody']],
  ['a part of a key', [`Authorization: Bearer ${KEY.slice(0, -1)}`]],
  ['a key in upper case', [`Authorization: Bearer ${KEY.toUpperCase()}`]],
  ['an empty header', ['Authorization:']],
  ['no token', ['Authorization: Bearer']],
  ['an empty token', ['Authorization: Bearer ']],
  ['a token of 10,000 characters', [`Authorization: Bearer ${'k'.repeat(10_000)}`]],
  ['two tokens', [`Authorization: Bearer ${KEY} ${KEY}`]],
  ['a list of credentials', [`Authorization: Bearer ${KEY}, Bearer ${KEY}`]],
  ['a quoted token', [`Authorization: Bearer "${KEY}"`]],
  ['a tab instead of the space', [`Authorization: Bearer\t${KEY}`]],
  ['no scheme', [`Authorization: ${KEY}`]],
  ['a token with invalid characters', ['Authorization: Bearer k\xe9y-of-ann']],
  ['Basic', [`Authorization: Basic ${Buffer.from(`ann:${KEY}`).toString('base64')}`]],
  ['another scheme', [`Authorization: Digest ${KEY}`]],
  ['the right key twice', [`Authorization: Bearer ${KEY}`, `Authorization: Bearer ${KEY}`]],
  ['the right key and a wrong one', [`Authorization: Bearer ${KEY}`, 'authorization: Bearer key-of-nobody']],
]

describe('the response does not show what is wrong with a key: all refusals are byte-identical', () => {
  for (const [what, lines] of WRONG) {
    test(what, async (t) => {
      const { ask, seen } = await serve(t)
      const response = await ask(...lines)
      assertProblem(response, 401, 'api_key_invalid')
      assert.deepEqual(challenges(response), ['Bearer realm="oncekey", error="invalid_token"'])
      const unknown = await ask('Authorization: Bearer key-of-nobody')
      const still = ({ headers, body }: RawResponse) => [headers.filter(([name]) => name !== 'Date'), body]
      assert.deepEqual(still(response), still(unknown))
      assert.deepEqual(seen, ['bearer api_key_invalid', 'bearer api_key_invalid'])
    })
  }
})

test('every refusal searches all keys, so that its time reveals nothing', async (t) => {
  const asked: string[] = []
  const counting = {
    find(presented: string) {
      asked.push(presented)
      return keys.find(presented)
    },
  }
  const { ask } = await serve(t, { apiKeys: counting })
  for (const [, lines] of WRONG) await ask(...lines)
  assert.equal(asked.length, WRONG.length)
  await ask(...SIGNED, `Authorization: Bearer ${KEY}`)
  assert.equal(asked.length, WRONG.length + 1)
})

test('an API key together with a signature is refused, even if both are valid', async (t) => {
  const { ask, seen } = await serve(t)
  for (const lines of [
    [...SIGNED, `Authorization: Bearer ${KEY}`],
    [...SIGNED, 'Authorization: Bearer key-of-nobody'],
    [...SIGNED, 'Authorization: Basic x'],
    ['Signature-Input: x', `Authorization: Bearer ${KEY}`],
    ['Signature: x', `Authorization: Bearer ${KEY}`],
    ['X-Signature:', `Authorization: Bearer ${KEY}`],
  ]) {
    const response = await ask(...lines)
    const { detail } = assertProblem(response, 401, 'api_key_invalid')
    assert.match(detail, /not both/)
    assert.deepEqual(challenges(response), ['Bearer realm="oncekey", error="invalid_token"'])
  }
  assert.deepEqual(new Set(seen), new Set(['bearer api_key_invalid']))
})

test('without credentials the response names both ways to authenticate, with a challenge for each', async (t) => {
  const { ask, seen } = await serve(t)
  const response = await ask('X-Client-Id: acme')
  const { detail } = assertProblem(response, 401, 'signature_missing')
  assert.match(detail, /Authorization: Bearer.*X-Signature/)
  assert.deepEqual(challenges(response), ['Bearer realm="oncekey"', 'Signature realm="oncekey"'])
  assert.deepEqual(seen, ['none signature_missing'])
})

test('on an open route a request without credentials is anonymous; wrong credentials are still refused', async (t) => {
  const { ask, seen } = await serve(t, { open: true })
  assert.deepEqual(caller(await ask()), { client: 'anonymous', scheme: 'open' })
  assert.deepEqual(caller(await ask(`Authorization: Bearer ${KEY}`)), { client: 'ann', scheme: 'bearer' })
  assert.deepEqual(caller(await ask(...SIGNED)), { client: 'acme', scheme: 'v1' })
  assert.deepEqual(seen, ['open ok', 'bearer ok', 'v1 ok'])
  for (const [what, lines] of WRONG) assert.equal((await ask(...lines)).status, 401, what)
  assertProblem(await ask('X-Signature:'), 401, 'signature_invalid')
})

test('without configured API keys every key is refused', async (t) => {
  const { ask } = await serve(t, { apiKeys: apiKeys([]) })
  for (const lines of [[`Authorization: Bearer ${KEY}`], ['Authorization:'], ['Authorization: Bearer']])
    assertProblem(await ask(...lines), 401, 'api_key_invalid')
})
