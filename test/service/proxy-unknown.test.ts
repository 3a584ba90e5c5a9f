import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, type TestContext, test } from 'node:test'
import { BROKEN, type Ending, sendThen, WHOLE } from '../support/broken-responses.ts'
import { newKey, type Reply, send } from '../support/order-client.ts'
import { startBackend, startProxy, startRawBackend } from '../support/proxy.ts'
import { startRedis } from '../support/servers.ts'
import { until } from '../support/until.ts'

const post = (url: string, key: string, path = '/'): Promise<Reply> =>
  send(url + path, { method: 'POST', body: 'x', headers: { 'Idempotency-Key': key } })
const say = ({ status, code }: Reply) => `${status} ${code}`

/** What a raw backend does once a request is there; '' sends nothing. */
const FAULTS: [what: string, bytes: string, ending: Ending, first: string][] = [
  ['never responds', '', 'stay', '504 backend_timeout'],
  ['stalls within its response', BROKEN.lessThanItsLength, 'stay', '504 backend_timeout'],
  [
    'sends a byte at a time',
    'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n',
    'dribble',
    '504 backend_timeout',
  ],
  ['hangs up', '', 'end', '409 outcome_unknown'],
  ['resets', '', 'reset', '409 outcome_unknown'],
  ['is cut within its response', BROKEN.lessThanItsLength, 'end', '409 outcome_unknown'],
  ['is reset within its response', BROKEN.lessThanItsLength, 'reset', '409 outcome_unknown'],
  ['ends chunks early', BROKEN.chunksWithoutEnd, 'end', '409 outcome_unknown'],
  ['ends chunks early and said it would close', BROKEN.chunksWithoutEndClosing, 'end', '409 outcome_unknown'],
  ['responds with 500, with --on-5xx hold', WHOLE.replace('200', '500'), 'stay', '500 '],
  ['responds in no HTTP', BROKEN.noHttp, 'stay', '409 outcome_unknown'],
  ['has two lengths', BROKEN.twoLengths, 'stay', '409 outcome_unknown'],
]

describe('a backend that took a request and', () => {
  test('then fails is not sent it again, whatever the way of its failure', async (t) => {
    let bytes = ''
    let ending: Ending = 'stay'
    const backend = await startRawBackend(t, (socket) => sendThen(socket, bytes, ending))
    const proxy = await startProxy(t, backend.url, ['--max-duration', '1s', '--on-5xx', 'hold'])
    for (const fault of FAULTS) {
      await t.test(`it ${fault[0]}: ${fault[3]}, then 409 outcome_unknown`, async () => {
        bytes = fault[1]
        ending = fault[2]
        const seen = backend.count()
        const key = newKey()
        assert.equal(say(await post(proxy.url, key)), fault[3])
        bytes = WHOLE
        ending = 'stay'
        for (let n = 0; n < 3; n++) assert.equal(say(await post(proxy.url, key)), '409 outcome_unknown')
        assert.equal(backend.count(), seen + 1)
        assert.equal((await post(proxy.url, newKey())).status, 200)
      })
    }
    const said = /"reason":"answer_truncated".*the outcome of a request is not known/
    await until('the log says why', () => said.test(proxy.log()))
  })

  test('may see it again where the operator said so: --on-unknown release, --timeout', async (t) => {
    let bytes: string | undefined
    const backend = await startRawBackend(t, (socket) => {
      if (bytes === undefined) socket.destroy()
      else socket.write(bytes)
    })
    const args = ['--on-unknown', 'release', '--on-5xx', 'release', '--timeout', '300ms']
    const proxy = await startProxy(t, backend.url, args)
    const key = newKey()
    assert.equal(say(await post(proxy.url, key)), '502 backend_unreachable')
    bytes = ''
    assert.equal(say(await post(proxy.url, key)), '504 backend_timeout')
    assert.equal(say(await send(proxy.url)), '504 backend_timeout')
    bytes = WHOLE.replace('200', '500')
    assert.equal((await post(proxy.url, key)).status, 500)
    bytes = WHOLE
    assert.equal((await post(proxy.url, key)).status, 200)
    assert.equal((await post(proxy.url, key)).headers['idempotent-replayed'], 'true')
    assert.equal(backend.count(), 5)
  })

  test('a sidecar that is killed while the backend works: the key stays held on every other one', async (t) => {
    const waiting: ServerResponse[] = []
    const backend = await startBackend(t, (res) => void waiting.push(res))
    const args = ['--name', newKey()]
    const lease = { IDEMPOTENCY_LEASE: '500ms' }
    const proxy = await startProxy(t, backend.url, args, lease)
    const other = await startProxy(t, backend.url, args, lease)
    const key = newKey()
    const lost = assert.rejects(post(proxy.url, key))
    await until('the backend has it', () => waiting.length === 1)
    await proxy.kill()
    await lost
    await until('the lease is over', async () => (await post(other.url, key)).code === 'outcome_unknown')
    assert.equal(backend.runs(key), 1)
  })
})

test('a key is held for as long as the backend works, however short its time to live is', async (t) => {
  const waiting: ServerResponse[] = []
  const backend = await startBackend(t, (res) => void waiting.push(res))
  const settings = { IDEMPOTENCY_TTL: '1s', IDEMPOTENCY_LEASE: '500ms' }
  const proxy = await startProxy(t, backend.url, ['--on-unknown', 'release'], settings)
  const key = newKey()
  const first = post(proxy.url, key)
  await until('the backend has it', () => waiting.length === 1)
  const startedMs = Date.now()
  await until('three times the time to live is over', async () => {
    assert.equal(say(await post(proxy.url, key)), '409 request_in_progress')
    return Date.now() - startedMs > 3_000
  })
  waiting[0]?.end('done')
  assert.equal((await first).body.toString(), 'done')
  assert.equal(backend.runs(key), 1)
})

describe('--lookup', () => {
  /** Loses the response to every first request; says of a key what `outcomes` has. */
  async function setUp(t: TestContext) {
    const outcomes = new Map<string, (res: ServerResponse) => void>()
    const backend = await startBackend(t, (res, { target, values }) => {
      const [key = ''] = values('idempotency-key')
      const asked = target.startsWith('/_outcome/') ? outcomes.get(key) : undefined
      if (target.startsWith('/_outcome/')) return asked === undefined ? res.destroy() : asked(res)
      if (
        backend.reached.filter((one) => one.method === 'POST' && one.values('idempotency-key')[0] === key)
          .length > 1
      ) {
        return void res.end('second run')
      }
      // A cut within the response: the backend has done what it does.
      if (target === '/cut') res.writeHead(200, { 'Content-Length': 9 }).write('half', () => res.destroy())
      else res.destroy()
    })
    const proxy = await startProxy(t, backend.url, ['--lookup', `${backend.url}/_outcome/{key}`])
    const runs = (key: string) =>
      backend.reached.filter((one) => one.method === 'POST' && one.values('idempotency-key')[0] === key)
        .length
    return { proxy, backend, outcomes, runs }
  }

  test('a response that it finds is replayed; none frees the key; anything else leaves it unknown', async (t) => {
    const { proxy, backend, outcomes, runs } = await setUp(t)
    const found = newKey()
    assert.equal(say(await post(proxy.url, found)), '409 outcome_unknown')
    assert.equal(say(await post(proxy.url, found)), '409 outcome_unknown', 'nobody knows')
    outcomes.set(found, (res) => {
      res.writeHead(200, { 'Content-Type': 'text/x-found', 'Idempotency-Status': '201', 'Set-Cookie': 'a=b' })
      res.end('it was done')
    })
    let reply = await post(proxy.url, found)
    await until('it has been asked again', async () => {
      reply = await post(proxy.url, found)
      return reply.status === 201
    })
    assert.equal(reply.body.toString(), 'it was done')
    assert.equal(reply.headers['content-type'], 'text/x-found')
    assert.equal(reply.headers['idempotent-replayed'], 'true')
    assert.equal(reply.headers['set-cookie'], undefined)
    assert.equal(reply.headers['idempotency-status'], undefined)
    assert.equal(runs(found), 1)
    const asked = backend.reached.find(({ target }) => target.startsWith('/_outcome/'))
    assert.deepEqual(asked?.values('idempotency-key'), [found])

    const none = { 'Idempotency-Outcome': 'none' }
    for (const [path, tell] of [
      ['/cut', (res: ServerResponse) => void res.writeHead(404).end()],
      ['/', (res: ServerResponse) => void res.writeHead(200, none).end()],
    ] as const) {
      const key = newKey()
      await post(proxy.url, key, path)
      outcomes.set(key, tell)
      assert.equal((await post(proxy.url, key, path)).body.toString(), 'second run')
      assert.equal(runs(key), 2)
    }

    for (const other of [
      (res: ServerResponse) => void res.writeHead(500).end(),
      (res: ServerResponse) => void res.writeHead(200, { 'Idempotency-Status': 'ok' }).end(),
      ...[401, 408, 429].map(
        (status) => (res: ServerResponse) => void res.writeHead(200, { 'Idempotency-Status': status }).end(),
      ),
      (res: ServerResponse) => void res.writeHead(302, { Location: '/' }).end(),
    ]) {
      const key = newKey()
      await post(proxy.url, key)
      outcomes.set(key, other)
      assert.equal(say(await post(proxy.url, key)), '409 outcome_unknown')
      assert.equal(runs(key), 1)
    }
  })

  test('a key never changes the address that is asked: such a key stays unknown', async (t) => {
    const { proxy, backend, runs } = await setUp(t)
    const names = ['..', '.', '../..', '..%2f', 'a/../b', '..\\\\x', 'a?b', 'a#b', 'a;b', '%2e%2e']
    for (const key of names.map((name) => `"${name}"`)) {
      assert.equal(say(await post(proxy.url, key, '/cut')), '409 outcome_unknown', key)
      assert.equal(say(await post(proxy.url, key, '/cut')), '409 outcome_unknown', key)
      assert.equal(runs(key), 1, key)
    }
    const asked = backend.reached.filter(({ method }) => method === 'GET')
    assert.deepEqual(asked, [])
    // Lines of the log arrive a moment later.
    await until('the log says why', () => /would change the address of the lookup/.test(proxy.log()))
  })

  test('a 404 about a request that may still be at work does not free it, until its time is over', async (t) => {
    const backend = await startBackend(t, (res, { method, target }) => {
      if (method === 'GET') res.writeHead(404).end()
      // The connection breaks, the work goes on.
      else if (target === '/lost') res.destroy()
    })
    const runs = () => backend.reached.filter(({ method }) => method === 'POST').length
    const lookup = ['--lookup', `${backend.url}/{key}`]
    const proxy = await startProxy(t, backend.url, ['--timeout', '200ms', ...lookup])
    for (const [path, first] of [
      ['/late', '504 backend_timeout'],
      ['/lost', '409 outcome_unknown'],
    ] as const) {
      const key = newKey()
      const before = runs()
      assert.equal(say(await post(proxy.url, key, path)), first)
      assert.equal(say(await post(proxy.url, key, path)), '409 outcome_unknown')
      assert.equal(runs(), before + 1)
    }

    const short = await startProxy(t, backend.url, ['--max-duration', '2s', ...lookup])
    const key = newKey()
    const startedMs = Date.now()
    const before = runs()
    await until('it is freed', async () => {
      await post(short.url, key, '/lost')
      return runs() > before + 1
    })
    assert.ok(Date.now() - startedMs >= 2_000)
  })
})

describe('the store', () => {
  test('is away, or hangs: 503 and the backend is not called; what has no key flows on', async (t) => {
    const redis = await startRedis()
    t.after(() => redis.stop())
    const backend = await startBackend(t, (res) => void res.end('ok'))
    const proxy = await startProxy(t, backend.url, [], { REDIS_URL: redis.url })
    const key = newKey()
    await redis.stop()
    await until('it has noticed', async () => (await send(`${proxy.url}/.oncekey/readyz`)).status === 503)
    const reply = await post(proxy.url, key)
    assert.equal(say(reply), '503 store_unavailable')
    assert.match(String(reply.headers['retry-after']), /^[1-9]/)
    assert.equal((await send(proxy.url)).body.toString(), 'ok')
    assert.equal(backend.runs(key), 0)
    await redis.restart()
    await until('it is back', async () => (await post(proxy.url, key)).status === 200)
    assert.equal(backend.runs(key), 1)

    redis.pause()
    const hung = newKey()
    assert.equal(say(await post(proxy.url, hung)), '503 store_unavailable')
    assert.equal(backend.runs(hung), 0)
    redis.resume()
    // Before the lease of 30 s ends, which would free it as well.
    await until('it responds', async () => (await post(proxy.url, hung)).status === 200, 20_000)
  })

  test('is away while the backend works: the response goes out, and is recorded when the store is back', async (t) => {
    const redis = await startRedis()
    t.after(() => redis.stop())
    const waiting: ServerResponse[] = []
    const backend = await startBackend(t, (res) => void waiting.push(res))
    const settings = { REDIS_URL: redis.url, IDEMPOTENCY_LEASE: '500ms' }
    const proxy = await startProxy(t, backend.url, [], settings)
    const key = newKey()
    const first = post(proxy.url, key)
    await until('the backend has it', () => waiting.length === 1)
    redis.pause()
    // Longer than the lease: it is not renewed.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    waiting.pop()?.end('done')
    assert.equal((await first).body.toString(), 'done')
    assert.equal(say(await post(proxy.url, key)), '503 store_unavailable')
    redis.resume()
    await until('it is recorded', async () => {
      const reply = await post(proxy.url, key)
      if (reply.status === 200) assert.equal(`${reply.body}`, 'done')
      return reply.headers['idempotent-replayed'] === 'true'
    })
    assert.equal(backend.runs(key), 1)
  })
})
