import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import {
  newKey,
  orderBody,
  orderHeaders,
  type Reply,
  type SendOptions,
  send,
} from '../support/order-client.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { createDatabase, freePort } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'

const PAGE = 'https://shop.example'
const OTHER = 'https://evil.example'
const ALLOWED_ORIGINS = `http://localhost:3000, ${PAGE}`

const preflight = (url: string, origin: string): Promise<Reply> =>
  send(url, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'content-type,idempotency-key,x-signature',
    },
  })

/** The headers because of which a browser lets a page of this origin read the response. */
function assertReadable({ headers }: Reply, origin: string, credentials: boolean): void {
  assert.equal(headers['access-control-allow-origin'], origin)
  assert.equal(headers['access-control-allow-credentials'], credentials ? 'true' : undefined)
  for (const name of [
    'Idempotent-Replayed',
    'Retry-After',
    'X-Request-Id',
    'X-RateLimit-Remaining',
    'RateLimit',
  ]) {
    assert.ok(String(headers['access-control-expose-headers']).split(', ').includes(name), name)
  }
}

function assertHidden({ headers }: Reply): void {
  const names = Object.keys(headers).filter((name) => name.startsWith('access-control-'))
  assert.deepEqual(names, [])
}

function assertPreflight(reply: Reply, credentials: boolean): void {
  assert.equal(`${reply.status} ${reply.body}`, '204 ')
  assertReadable(reply, PAGE, credentials)
  assert.equal(reply.headers['access-control-allow-headers'], 'content-type,idempotency-key,x-signature')
  assert.match(String(reply.headers['access-control-allow-methods']), /\bPOST\b.*\bPATCH\b/)
  assert.match(String(reply.headers['access-control-max-age']), /^[1-9]\d+$/)
  assert.equal(reply.headers.vary, 'Origin')
}

describe('the service with ALLOWED_ORIGINS', () => {
  const closing: (() => unknown)[] = []
  let service: Service
  before(async () => {
    const database = await createDatabase()
    closing.push(() => database.drop())
    const settings = { DATABASE_URL: database.url, RATE_LIMITS: 'client=3/60s' }
    service = await startService({ ...settings, ALLOWED_ORIGINS })
    closing.unshift(() => service.kill())
  })
  after(async () => {
    for (const close of closing) await close()
  })

  test('responds to preflights of allowed origins on every route, and not to others', async () => {
    for (const path of ['/orders', '/api/v1/payments', '/pay', '/no-such-path']) {
      assertPreflight(await preflight(service.url + path, PAGE), false)
      assertHidden(await preflight(service.url + path, OTHER))
    }
    const odd = {
      Origin: PAGE,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'a b',
    }
    const reply = await send(`${service.url}/orders`, { method: 'OPTIONS', headers: odd })
    assert.equal(reply.headers['access-control-allow-headers'], undefined)
  })

  test('lets pages of allowed origins read responses, replays and every kind of refusal', async () => {
    const key = newKey()
    const post = (headers: SendOptions['headers'], body = orderBody()) =>
      send(`${service.url}/orders`, { method: 'POST', body, headers: { ...headers, Origin: PAGE } })
    const statuses: number[] = []
    for (const reply of [
      await post(orderHeaders(key, orderBody())),
      await post(orderHeaders(key, orderBody())),
      await post(orderHeaders(key, orderBody({ amount: 7 })), orderBody({ amount: 7 })),
      await post(orderHeaders(newKey(), orderBody())),
      await post({}),
      await send(`${service.url}/nothing`, { headers: { Origin: PAGE } }),
      await send(`${service.url}/readyz`, { headers: { Origin: PAGE } }),
      await send(`${service.url}//two`, { headers: { Origin: PAGE } }),
    ]) {
      assertReadable(reply, PAGE, false)
      assert.equal(reply.headers.vary, 'Origin')
      statuses.push(reply.status)
    }
    assert.deepEqual(statuses, [201, 201, 409, 429, 401, 404, 200, 400])
    assertHidden(await send(`${service.url}/readyz`, { headers: { Origin: OTHER } }))
    assertHidden(await send(`${service.url}/readyz`))
    assertHidden(await send(`${service.url}/readyz`, { headers: { Origin: 'null' } }))
  })
})

test('the service without ALLOWED_ORIGINS sends no CORS headers', async (t) => {
  const database = await createDatabase()
  const service = await startService({ DATABASE_URL: database.url })
  t.after(async () => {
    await service.kill()
    await database.drop()
  })
  assertHidden(await send(`${service.url}/readyz`, { headers: { Origin: PAGE } }))
  assert.notEqual((await preflight(`${service.url}/orders`, PAGE)).status, 204)
})

describe('the sidecar with ALLOWED_ORIGINS', () => {
  /** The backend allows the origin of the request, except for /closed. */
  async function setUp(t: TestContext, args: string[] = []) {
    const backend = await startBackend(t, (res, { target, values, method }) => {
      const [origin] = values('origin')
      if (origin !== undefined && target !== '/closed') {
        res.setHeader('Access-Control-Allow-Origin', origin)
        res.setHeader('Access-Control-Expose-Headers', 'X-Own')
      }
      res.writeHead(method === 'OPTIONS' ? 299 : 201).end(`run ${backend.reached.length}`)
    })
    const proxy = await startProxy(t, backend.url, args, { ALLOWED_ORIGINS })
    const post = (key: string, origin: string, path = '/charge', body = 'x') =>
      send(proxy.url + path, { method: 'POST', body, headers: { 'Idempotency-Key': key, Origin: origin } })
    return { backend, proxy, post }
  }

  test('lets pages of allowed origins read its own refusals; CORS headers of the backend are kept', async (t) => {
    const { proxy, post } = await setUp(t)
    const key = newKey()
    const first = await post(key, PAGE)
    assert.equal(first.headers['access-control-allow-origin'], PAGE)
    assert.equal(first.headers['access-control-expose-headers'], 'X-Own')
    const reused = await post(key, PAGE, '/charge', 'y')
    assert.equal(reused.code, 'idempotency_key_reused')
    assertReadable(reused, PAGE, true)
    assert.equal(reused.headers.vary, 'Origin')
    assertHidden(await post(key, OTHER, '/charge', 'y'))
    for (const origin of [PAGE, 'http://localhost:3000']) {
      const again = await post(key, origin)
      assert.equal(again.headers['idempotent-replayed'], 'true')
      assert.equal(again.headers['access-control-allow-origin'], origin)
      assert.match(String(again.headers['access-control-expose-headers']), /^X-Own, Idempotent-Replayed, /)
    }
    assert.equal((await post(key, OTHER)).headers['access-control-allow-origin'], PAGE, 'as it was stored')
    const closed = newKey()
    for (let n = 0; n < 2; n++) assertHidden(await post(closed, PAGE, '/closed'))
    const trace = await send(proxy.url, { method: 'TRACE', headers: { Origin: PAGE } })
    assert.equal(trace.code, 'method_not_allowed')
    assertReadable(trace, PAGE, true)
    assert.equal(trace.headers.vary, 'Origin')
  })

  test('responds to preflights of allowed origins, also with --verify, and forwards all other OPTIONS', async (t) => {
    const { proxy, backend } = await setUp(t)
    assertPreflight(await preflight(proxy.url, PAGE), true)
    assert.equal(backend.reached.length, 0)
    assert.equal((await preflight(proxy.url, OTHER)).status, 299)
    assert.equal((await send(proxy.url, { method: 'OPTIONS', headers: { Origin: PAGE } })).status, 299)
    const signed = await setUp(t, ['--verify'])
    assertPreflight(await preflight(signed.proxy.url, PAGE), true)
    assert.equal((await preflight(signed.proxy.url, OTHER)).code, 'signature_missing')
    const refused = await signed.post(newKey(), PAGE)
    assert.equal(refused.code, 'signature_missing')
    assertReadable(refused, PAGE, true)
    assert.equal(signed.backend.reached.length, 0)
  })

  test('lets pages of allowed origins read that the backend is unreachable', async (t) => {
    const proxy = await startProxy(t, `http://127.0.0.1:${await freePort()}`, [], { ALLOWED_ORIGINS })
    for (const key of [{}, { 'Idempotency-Key': newKey() }]) {
      const reply = await send(proxy.url, { method: 'POST', headers: { ...key, Origin: PAGE } })
      assert.equal(reply.code, 'backend_unreachable')
      assertReadable(reply, PAGE, true)
    }
  })
})
