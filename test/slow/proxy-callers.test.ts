import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { newKey, type Reply, type SendOptions, send } from '../support/order-client.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { createDatabase } from '../support/servers.ts'
import { type Settings, startService } from '../support/service.ts'

type Headers = NonNullable<SendOptions['headers']>

/** A sidecar in front of a backend that says which run it is, and under which credentials it was asked. */
async function setUp(t: TestContext, args: string[] = [], settings: Settings = {}) {
  const backend = await startBackend(t, (res, { values }) => {
    const shown = [...values('authorization'), ...values('cookie')].join(' ')
    res.writeHead(201).end(`run ${backend.reached.length} ${shown}`)
  })
  const proxy = await startProxy(t, backend.url, args, settings)
  const post = (key: string, headers: Headers = {}, body = 'x'): Promise<Reply> =>
    send(`${proxy.url}/charge`, { method: 'POST', body, headers: { 'Idempotency-Key': key, ...headers } })
  return { backend, proxy, post }
}

const detailOf = ({ body }: Reply) => String(JSON.parse(body.toString()).detail)

function assertOtherCredentials(reply: Reply): void {
  assert.equal(`${reply.status} ${reply.code}`, '409 idempotency_key_reused')
  const detail = detailOf(reply)
  assert.match(detail, /^The same request was sent with this key under other credentials/)
  assert.doesNotMatch(detail, /new key/)
  assert.equal(JSON.parse(reply.body.toString()).retryable, false)
}

/** What is shown by one caller and by another one, under each name that is in use. */
const CREDENTIALS: [name: string, first: string, other: string][] = [
  ['Authorization', 'Bearer a', 'Bearer b'],
  ['authorization', 'Basic YTpi', 'Basic YTpj'],
  ['Cookie', 'session=alice', 'session=bob'],
  ['X-Api-Key', 'a', 'b'],
  ['Api-Key', 'a', 'b'],
  ['X-Auth-Token', 'a', 'b'],
  ['X-Access-Token', 'a', 'b'],
  ['PRIVATE-TOKEN', 'a', 'b'],
  ['X-Amz-Security-Token', 'a', 'b'],
  ['X-Goog-IAP-JWT-Assertion', 'a', 'b'],
  ['X-Amzn-Oidc-Data', 'a', 'b'],
  ['X-Session-Id', 'a', 'b'],
  ['X-User', 'a', 'b'],
  ['X-User-Id', 'a', 'b'],
  ['Stripe-Account', 'a', 'b'],
  ['X-Tenant-ID', 'a', 'b'],
  ['X-Client-Id', 'a', 'b'],
  ['Client-Cert', ':a:', ':b:'],
]

describe('callers that are not told apart', () => {
  test('never get a response that was made for other credentials, nor advice that charges twice', async (t) => {
    const { backend, post } = await setUp(t)
    for (const [name, first, other] of CREDENTIALS) {
      const key = newKey()
      assert.equal((await post(key, { [name]: first })).status, 201, name)
      assertOtherCredentials(await post(key, { [name]: other }))
      assertOtherCredentials(await post(key))
      assertOtherCredentials(await post(key, { [name]: [first, other] }))
      const again = await post(key, { [name]: first })
      assert.equal(`${again.status} ${again.headers['idempotent-replayed']}`, '201 true', name)
      const open = newKey()
      await post(open)
      assertOtherCredentials(await post(open, { [name]: first }))
      assert.equal(backend.runs(key) + backend.runs(open), 2, name)
    }
  })

  test('with other credentials and another body it is another request, and a retry is told to repeat its bytes', async (t) => {
    const { post } = await setUp(t)
    const key = newKey()
    await post(key, { Authorization: 'Bearer a' })
    for (const reply of [await post(key, { Authorization: 'Bearer a' }, 'y'), await post(key, {}, 'y')]) {
      assert.equal(`${reply.status} ${reply.code}`, '409 idempotency_key_reused')
      assert.match(detailOf(reply), /may have taken effect.*send its bytes again.*Only a new request/)
    }
  })

  test('what changes from one attempt to the next and names nobody is no credential', async (t) => {
    const { post } = await setUp(t)
    const key = newKey()
    const attempt = (n: number) => ({
      'X-CSRF-Token': `${n}`,
      DPoP: `proof-${n}`,
      'X-Signature': `${n}`,
      'X-Request-Id': `${n}`,
      'User-Agent': `shop/${n}`,
      'X-Forwarded-For': `203.0.113.${n}`,
      Cookie: 'session=alice',
    })
    await post(key, attempt(1))
    assert.equal((await post(key, attempt(2))).headers['idempotent-replayed'], 'true')
  })

  test('the order and spelling of headers do not matter', async (t) => {
    const { post } = await setUp(t)
    const key = newKey()
    await post(key, { Cookie: 'a=1', Authorization: 'Bearer a' })
    const again = await post(key, { AUTHORIZATION: 'Bearer a', cookie: 'a=1' })
    assert.equal(again.headers['idempotent-replayed'], 'true')
  })

  test('a fetch that is retried with FormData gets another boundary: it is told to repeat its bytes', async (t) => {
    const { proxy, backend } = await setUp(t)
    const key = newKey()
    const attempt = async () => {
      const body = new FormData()
      body.set('amount', '10')
      return await fetch(proxy.url, { method: 'POST', body, headers: { 'Idempotency-Key': key } })
    }
    assert.equal((await attempt()).status, 201)
    const again = await attempt()
    assert.equal(again.status, 409)
    assert.match(await again.text(), /may have taken effect\. To retry it, send its bytes again/)
    assert.equal(backend.runs(key), 1)
  })

  test('with the keys in PostgreSQL as well', async (t) => {
    const database = await createDatabase()
    t.after(() => database.drop())
    const backend = await startBackend(t, (res) => void res.end('ok'))
    const proxy = await startService({ DATABASE_URL: database.url }, ['proxy', '--target', backend.url])
    t.after(() => proxy.kill())
    const key = newKey()
    const post = (token: string, body: string) =>
      send(proxy.url, { method: 'POST', body, headers: { 'Idempotency-Key': key, Authorization: token } })
    assert.equal((await post('Bearer a', 'x')).status, 200)
    assertOtherCredentials(await post('Bearer b', 'x'))
    assert.match(detailOf(await post('Bearer b', 'y')), /another method, target or body/)
    assert.equal((await post('Bearer a', 'x')).headers['idempotent-replayed'], 'true')
  })

  test('a start that leaves them so says it', async (t) => {
    const { proxy } = await setUp(t)
    assert.match(proxy.log(), /Note: callers are not told apart.*a refreshed token gets 409.*--caller/s)
  })
})

const jwt = (claims: object, signature = 'sig') =>
  `Bearer ${[{ alg: 'RS256' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.${signature}`

/** Two attempts of one caller, whose credentials have changed in between, and one of another caller. */
const SOURCES: [source: string, first: Headers, refreshed: Headers, other: Headers][] = [
  [
    'header:X-User',
    { 'X-User': 'ann', Authorization: 'Bearer a', Cookie: 's=1' },
    { 'X-User': 'ann', Authorization: 'Bearer b', Cookie: 's=2' },
    { 'X-User': 'bob', Authorization: 'Bearer a', Cookie: 's=1' },
  ],
  [
    'cookie:session',
    { Cookie: '_ga=1; session=ann', Authorization: 'Bearer a' },
    { Cookie: 'session=ann; _ga=2', Authorization: 'Bearer b' },
    { Cookie: '_ga=1; session=bob', Authorization: 'Bearer a' },
  ],
  [
    'jwt:sub',
    { Authorization: jwt({ iss: 'https://id', sub: 'ann', exp: 1 }) },
    { Authorization: jwt({ iss: 'https://id', sub: 'ann', exp: 2 }, 'other') },
    { Authorization: jwt({ iss: 'https://id', sub: 'bob', exp: 1 }) },
  ],
  [
    'jwt:sub',
    { Authorization: jwt({ iss: 'https://id', sub: 17 }) },
    { Authorization: jwt({ sub: 17, iss: 'https://id' }).replace('Bearer', 'bearer') },
    { Authorization: jwt({ iss: 'https://other', sub: 17 }) },
  ],
]

/** What shows no caller to a source. */
const NO_CALLER: [source: string, nothing: Headers[]][] = [
  ['header:X-User', [{}, { 'X-User': '' }]],
  ['cookie:session', [{}, { Cookie: 'session=; a=b' }, { Cookie: 'SESSION=ann' }, { Cookie: 'session' }]],
  [
    'jwt:sub',
    [
      {},
      { Authorization: 'Bearer opaque' },
      { Authorization: 'Bearer a.b.c' },
      { Authorization: jwt({ sub: '' }) },
      { Authorization: jwt({ sub: { id: 1 } }) },
      { Authorization: jwt(['sub']) },
    ],
  ],
  ['jwt:toString', [{ Authorization: jwt({ sub: 'ann' }) }]],
]

describe('--caller', () => {
  for (const [source, first, refreshed, other] of SOURCES) {
    test(`${source}: a caller has its own keys, and its response also under refreshed credentials`, async (t) => {
      const { backend, post } = await setUp(t, ['--caller', source])
      const key = newKey()
      const { body } = await post(key, first)
      const again = await post(key, refreshed)
      assert.equal(`${again.headers['idempotent-replayed']} ${again.body}`, `true ${body}`)
      const theirs = await post(key, other)
      assert.equal(theirs.headers['idempotent-replayed'], undefined)
      assert.notEqual(`${theirs.body}`, `${body}`)
      assert.equal(backend.runs(key), 2)
    })
  }

  for (const [source, nothing] of NO_CALLER) {
    test(`${source}: a request that shows no caller is bound to its credentials`, async (t) => {
      const { post } = await setUp(t, ['--caller', source])
      for (const shown of nothing) {
        const key = newKey()
        await post(key, { ...shown, 'X-Api-Key': 'a' })
        assertOtherCredentials(await post(key, { ...shown, 'X-Api-Key': 'b' }))
        const again = await post(key, { ...shown, 'X-Api-Key': 'a' })
        assert.equal(again.headers['idempotent-replayed'], 'true', JSON.stringify(shown))
      }
    })
  }

  test('says what it cannot check, and what makes a retry run again', async (t) => {
    const tokens = await setUp(t, ['--caller', 'jwt:sub'])
    assert.match(tokens.proxy.log(), /Note: the token whose claim "sub" names the caller is not checked here/)
    const refreshed = await setUp(t, ['--client-header', 'Authorization'])
    assert.match(refreshed.proxy.log(), /Note: --caller header:authorization.*RUNS AGAIN/)
    const user = await setUp(t, ['--caller', 'header:X-User'])
    assert.doesNotMatch(user.proxy.log(), /Note:/)
  })
})
