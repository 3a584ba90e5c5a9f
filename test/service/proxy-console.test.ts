import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { newKey, send } from '../support/order-client.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { createDatabase, freePort, startRedis } from '../support/servers.ts'
import type { Settings } from '../support/service.ts'
import { until } from '../support/until.ts'

const TOKEN = 'the-token-of-the-tests'
const authorized = { Authorization: `Bearer ${TOKEN}` }
const production = { NODE_ENV: 'production', HOST: '127.0.0.1' }

const stores: {
  store: string
  left: number
  open: () => Promise<{ settings: Settings; close(): Promise<void> }>
}[] = [
  {
    store: 'Redis',
    // Of the limit, which all sidecars count together.
    left: 46,
    async open() {
      const redis = await startRedis()
      return { settings: { REDIS_URL: redis.url }, close: () => redis.stop() }
    },
  },
  {
    store: 'PostgreSQL',
    // Without Redis each counts for itself, and the one that is asked has had no request.
    left: 50,
    async open() {
      const own = await createDatabase()
      // An empty setting counts as none.
      return { settings: { REDIS_URL: '', DATABASE_URL: own.url }, close: () => own.drop() }
    },
  },
]

// At the same time: each waits for reports, which come every five seconds.
describe('the console of the sidecar', { concurrency: true }, () => {
  for (const { store, left, open } of stores) {
    test(`with the keys in ${store} shows all sidecars, finds a key, and settles an unknown one`, async (t) => {
      const opened = await open()
      // After the sidecars, which are ended first.
      const backend = await startBackend(t, (res, { target }) => {
        if (target === '/cut') res.destroy()
        else res.writeHead(target === '/missing' ? 404 : 201).end(`made at ${target}`)
      })
      const settings = { ...opened.settings, OPERATOR_TOKEN: TOKEN, RATE_LIMITS: 'client=50/60s' }
      const port = String(await freePort())
      const first = await startProxy(t, backend.url, ['--name', 'shop', '--admin-port', port], settings)
      const second = await startProxy(t, backend.url, ['--name', 'shop'], settings)
      t.after(() => opened.close())
      const console = `http://127.0.0.1:${port}/console`
      const ask = async (path: string) => {
        const { status, body } = await send(`${console}/api/${path}`, { headers: authorized })
        assert.equal(status, 200, body.toString())
        return JSON.parse(body.toString())
      }
      const post = (key: string, path: string) =>
        send(`${second.url}${path}`, { method: 'POST', body: 'x', headers: { 'Idempotency-Key': key } })

      const [made, cut] = [newKey(), newKey()]
      for (const _ of ['', 'again']) assert.equal((await post(made, '/charge')).status, 201)
      await send(`${second.url}/page`)
      assert.equal((await post(cut, '/cut')).code, 'outcome_unknown')

      await until('both sidecars have reported, and what the other one did', async () => {
        const { nodes, clients } = await ask('overview')
        return nodes.length === 2 && clients[0]?.requests === 4
      })
      const { kind, outcomes, buckets, clients, keys, payments, circuit } = await ask('overview')
      assert.equal(kind, 'sidecar')
      const counts = outcomes.map((_: string, which: number) =>
        buckets.reduce((sum: number, one: number[]) => sum + (one[which] ?? 0), 0),
      )
      // The page without a key is counted too; the cut one is a conflict.
      assert.deepEqual(counts, [2, 1, 1, 0, 0, 0])
      const [{ client, limited, standings }] = clients
      assert.deepEqual([client, limited], ['anonymous', 0])
      assert.deepEqual([standings[0].name, standings[0].quota, standings[0].remaining], ['client', 50, left])
      assert.deepEqual([payments, circuit], [[], undefined])
      assert.equal(keys.length, 1)
      const [open_] = keys
      assert.deepEqual([open_.client, open_.scope, open_.key], ['anonymous', 'shop POST /cut', cut])

      const life = await ask(`key?client=anonymous&key=${made}`)
      assert.deepEqual([life.complete, life.records.length, life.lookedThrough], [true, 1, undefined])
      assert.equal(life.records[0].scope, 'shop POST /charge')
      assert.equal(life.records[0].response.body, 'made at /charge')
      const named = await ask(
        `key?client=anonymous&key=${made}&scope=${encodeURIComponent('shop POST /charge')}`,
      )
      assert.equal(named.records.length, 1)
      assert.equal((await ask(`key?client=another&key=${made}`)).records.length, 0)

      const { client: _, scope, key, seen } = open_
      const resolution = { client, scope, key, by: 'Ada', reason: 'seen in the books' }
      const response = { status: 200, contentType: 'text/plain', body: 'charged' }
      const change = (body: object) =>
        send(`${console}/api/keys/resolve`, {
          method: 'POST',
          headers: { ...authorized, 'Content-Type': 'application/json' },
          body: JSON.stringify(body),
        })
      assert.equal(
        (await change({ ...resolution, seen: 'other', response })).body.toString(),
        '{"done":false}',
      )
      assert.equal((await change({ ...resolution, seen, response })).body.toString(), '{"done":true}')
      const replayed = await post(cut, '/cut')
      assert.deepEqual([replayed.status, replayed.body.toString()], [200, 'charged'])
      assert.equal(backend.runs(cut), 1)
      const { records, audit } = await ask(`key?client=anonymous&key=${cut}`)
      assert.equal(records[0].resolvedBy, 'Ada')
      assert.match(audit[0].entry, /"reason":"seen in the books"/)

      assert.equal((await first.stop()).code, 0)
      const rest = await send(`${second.url}/.oncekey/console/api/overview`, { headers: authorized })
      assert.equal(JSON.parse(rest.body.toString()).nodes.length, 1, 'a sidecar that was stopped is gone')
    })
  }

  test('the console is there only with a token, in production only on its own port, and lets nobody in without it', async (t) => {
    const backend = await startBackend(t, (res) => void res.end('backend'))
    const closed = await startProxy(t, backend.url)
    assert.equal((await send(`${closed.url}/.oncekey/console`)).status, 404)
    assert.doesNotMatch(closed.log(), /\/console/)

    const opened = await startProxy(t, backend.url, [], { OPERATOR_TOKEN: TOKEN })
    const url = `${opened.url}/.oncekey/console`
    const page = await send(url)
    assert.equal(page.status, 200)
    assert.match(page.body.toString(), /src="\/\.oncekey\/console\/console\.js"/)
    assert.match(String(page.headers['content-security-policy']), /default-src 'none'/)
    assert.equal((await send(`${url}/outcomes.js`)).status, 200)
    for (const path of ['overview', 'key?client=anonymous&key=a'])
      assert.equal((await send(`${url}/api/${path}`)).status, 401)
    const wrong = { Authorization: 'Bearer wrong', 'Content-Type': 'application/json' }
    assert.equal(
      (await send(`${url}/api/keys/resolve`, { method: 'POST', body: '{}', headers: wrong })).status,
      401,
    )
    const foreign = { ...authorized, Origin: 'https://evil.example' }
    assert.equal((await send(`${url}/api/overview`, { headers: foreign })).status, 400)
    assert.equal(
      (await send(`${url}/api/payments/settle`, { method: 'POST', headers: authorized })).status,
      404,
    )
    assert.match(opened.log(), /\/\.oncekey\/console$/m)
    assert.ok(!opened.log().includes(TOKEN))

    await assert.rejects(
      startProxy(t, backend.url, [], { ...production, OPERATOR_TOKEN: TOKEN }),
      /OPERATOR_TOKEN needs --admin-port in production/,
    )
    const port = String(await freePort())
    const apart = await startProxy(t, backend.url, ['--admin-port', port], {
      ...production,
      OPERATOR_TOKEN: TOKEN,
    })
    assert.equal((await send(`http://127.0.0.1:${port}/console`)).status, 200)
    // What is no longer ours is the backend's.
    assert.equal((await send(`${apart.url}/.oncekey/console`)).body.toString(), 'backend')
  })
})
