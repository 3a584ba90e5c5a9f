import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { newKey, orderBody, orderHeaders, postOrder, type Reply, send } from '../support/order-client.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, freePort } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const post = (url: string, key: string, headers: Record<string, string> = {}): Promise<Reply> =>
  send(url, { method: 'POST', body: 'x', headers: { 'Idempotency-Key': key, ...headers } })
const say = ({ status, code }: Reply) => `${status} ${code}`

test('it says what is wrong, and how it is used', async () => {
  const [missing, unknown, help] = await Promise.all([
    oncekey(['proxy']),
    oncekey(['proxy', '--target', 'http://127.0.0.1:1', '--retries', '3']),
    oncekey(['proxy', '--help']),
  ])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /oncekey proxy: the settings are not valid:\n {2}- --target is missing/)
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /--retries.*see --help/s)
  assert.equal(help.code, 0)
  for (const option of [
    'target',
    'on-unknown hold',
    'on-5xx',
    'lookup',
    'max-duration',
    'require-key',
    'verify',
  ]) {
    assert.ok(help.stdout.includes(`--${option}`), option)
  }
})

test('without any server its keys are in a database of its own, that a restart finds again', async (t) => {
  const backend = await startBackend(t, (res) => void res.writeHead(201, { ETag: '"1"' }).end('ok'))
  const proxy = await startService({}, ['proxy', '--target', backend.url])
  t.after(() => proxy.kill())
  assert.match(proxy.log(), /keys: embedded, in \.oncekey-proxy; an unknown outcome: hold/)
  const key = newKey()
  assert.equal((await post(proxy.url, key)).status, 201)
  assert.deepEqual(await proxy.stop(), { code: 0, signal: null })
  await proxy.restart()
  const again = await post(proxy.url, key)
  assert.equal(`${again.status} ${again.body} ${again.headers.etag}`, '201 ok "1"')
  assert.equal(again.headers['idempotent-replayed'], 'true')
  assert.equal(backend.runs(key), 1)
})

test('its keys can be in PostgreSQL', async (t) => {
  const backend = await startBackend(
    t,
    (res, { target }) => void (target === '/cut' ? res.destroy() : res.end('ok')),
  )
  const database = await createDatabase()
  t.after(() => database.drop())
  const proxy = await startService({ DATABASE_URL: database.url }, ['proxy', '--target', backend.url])
  t.after(() => proxy.kill())
  const key = newKey()
  for (let n = 0; n < 2; n++) assert.equal((await post(proxy.url, key)).body.toString(), 'ok')
  for (let n = 0; n < 2; n++) assert.equal(say(await post(`${proxy.url}/cut`, key)), '409 outcome_unknown')
  assert.equal(backend.runs(key), 2)
})

test('--verify lets nobody through without a signature, and callers have their own keys', async (t) => {
  const backend = await startBackend(t, (res) => void res.end('ok'))
  const proxy = await startProxy(t, backend.url, ['--verify'])
  const key = newKey()
  assert.equal(say(await post(proxy.url, key)), '401 signature_missing')
  assert.equal(say(await send(proxy.url)), '401 signature_missing')
  assert.equal(backend.reached.length, 0)
  for (let n = 0; n < 2; n++)
    assert.equal((await postOrder(proxy.url, key, orderBody())).body.toString(), 'ok')
  assert.equal(backend.runs(key), 1)
  assert.equal(backend.reached[0]?.values('x-signature').length, 1)
  assert.equal(backend.reached[0]?.body, orderBody())
  const tampered = {
    method: 'POST',
    headers: orderHeaders(newKey(), orderBody()),
    body: orderBody({ amount: 501 }),
  }
  assert.equal(say(await send(`${proxy.url}/orders`, tampered)), '401 signature_invalid')
})

test('--client-header: each caller has its own keys; RATE_LIMITS count each by itself, replays too', async (t) => {
  const backend = await startBackend(t, (res, { values }) => void res.end(values('x-user')[0]))
  const limits = { RATE_LIMITS: 'client=3/60s' }
  const proxy = await startProxy(t, backend.url, ['--client-header', 'X-User'], limits)
  const key = newKey()
  for (const user of ['ann', 'bob']) {
    for (let n = 0; n < 2; n++) {
      const reply = await post(proxy.url, key, { 'X-User': user })
      assert.equal(reply.body.toString(), user)
      assert.equal(reply.headers['x-ratelimit-remaining'], String(2 - n))
    }
  }
  assert.equal(backend.runs(key), 2)
  assert.equal((await send(proxy.url, { headers: { 'X-User': 'ann' } })).body.toString(), 'ann')
  assert.equal(say(await send(proxy.url, { headers: { 'X-User': 'ann' } })), '429 rate_limited')
  assert.equal(say(await post(proxy.url, newKey(), { 'X-User': 'ann' })), '429 rate_limited')
  assert.equal(backend.reached.length, 3)
  const hidden = { headers: { 'X-User': 'bob', Connection: 'x-user' } }
  assert.equal(say(await send(proxy.url, hidden)), '400 invalid_request')
  assert.doesNotMatch(proxy.log(), /"client":"(ann|bob)"/)
})

test('--admin-port takes health and metrics away from the port; TRUST_PROXY believes what stands in front', async (t) => {
  const backend = await startBackend(t, (res, { target }) => void res.end(target))
  const adminPort = await freePort()
  const proxy = await startProxy(t, backend.url, ['--admin-port', String(adminPort)], { TRUST_PROXY: '1' })
  const admin = `http://127.0.0.1:${adminPort}`
  for (const path of ['/livez', '/readyz', '/health', '/metrics']) {
    assert.equal((await send(admin + path)).status, 200, path)
    assert.equal((await send(`${proxy.url}/.oncekey${path}`)).body.toString(), `/.oncekey${path}`)
  }
  assert.equal(say(await send(`${admin}/else`)), '404 not_found')
  const headers = {
    'X-Forwarded-For': '203.0.113.9',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'shop.example',
  }
  await send(proxy.url, { headers })
  const reached = backend.reached.at(-1)
  assert.deepEqual(reached?.values('x-forwarded-for'), ['203.0.113.9, 127.0.0.1'])
  assert.deepEqual(reached?.values('x-forwarded-proto'), ['https'])
  assert.deepEqual(reached?.values('x-forwarded-host'), ['shop.example'])
})

test('on SIGTERM what is in flight finishes, with a key and without; new requests get 503', async (t) => {
  const waiting: ServerResponse[] = []
  const backend = await startBackend(t, (res, { target }) => {
    if (target === '/events') res.setHeader('Content-Type', 'text/event-stream')
    res.write('begun, ')
    waiting.push(res)
  })
  const proxy = await startProxy(t, backend.url)
  // The last gets a response already, as a stream that goes on.
  const inFlight = [post(proxy.url, newKey()), send(proxy.url), post(`${proxy.url}/events`, newKey())]
  await until('all are at the backend', () => waiting.length === 3)
  proxy.signal('SIGTERM')
  await until('it stops', async () => (await send(`${proxy.url}/.oncekey/readyz`)).status === 503)
  assert.equal(say(await send(proxy.url)), '503 shutting_down')
  assert.equal(say(await post(proxy.url, newKey())), '503 shutting_down')
  const [streams, others] = [true, false].map((is) =>
    waiting.filter((res) => res.hasHeader('Content-Type') === is),
  )
  for (const res of others ?? []) res.end('done')
  // Longer than connections are kept for responses that only have to reach their clients.
  await sleep(2_000)
  for (const res of streams ?? []) res.end('done')
  for (const reply of await Promise.all(inFlight))
    assert.equal(`${reply.status} ${reply.body}`, '200 begun, done')
  assert.deepEqual(await proxy.ended(), { code: 0, signal: null })
})
