/*
 * npm run test:haproxy: two services behind HAProxy with deploy/haproxy.cfg, for real. Takes half a minute.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { startLoad, summary } from '../support/order-load.ts'
import { needProgram } from '../support/programs.ts'
import { ServerProcess } from '../support/server-process.ts'
import { createDatabase, freePort, startRedis, type TestDatabase } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'

const CONFIG = fileURLToPath(new URL('../../deploy/haproxy.cfg', import.meta.url))
const PATIENCE_MS = 30_000
const POLL_MS = 50
/** Requests of the load between two interventions. */
const SOME = 300

let redis: Awaited<ReturnType<typeof startRedis>>
let database: TestDatabase
let nodes: [Service, Service]
let balancer: ServerProcess
let url: string

before(async () => {
  ;[redis, database] = await Promise.all([startRedis(), createDatabase()])
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    RATE_LIMITS: 'none',
    LOG_LEVEL: 'warn',
    // A killed process holds its keys for this long.
    IDEMPOTENCY_LEASE: '1s',
  }
  const first = await startService(settings)
  nodes = [first, await startService(settings)]
  ;({ balancer, url } = await startBalancer(nodes[0].port, nodes[1].port))
})

after(async () => {
  await balancer?.kill()
  await Promise.all((nodes ?? []).map((node) => node.kill()))
  await Promise.all([redis?.stop(), database?.drop()])
})

test('a rolling restart under load: no client sees it', async (t) => {
  const load = startLoad({ urls: [url], copies: 1, clients: 16, maxKeys: 20_000 })
  for (const node of [nodes[0], nodes[1], nodes[0], nodes[1]]) {
    await load.more(SOME)
    assert.deepEqual(await node.stop(), { code: 0, signal: null })
    await load.more(SOME)
    await node.restart()
    await takesPart(node)
  }
  await load.more(SOME)
  const history = await load.finish()
  checkOrders(await readOrdersAt(database.url), history.sent)
  assert.deepEqual([...history.interim], [], `a client saw the restart; the nodes say:\n${warnings()}`)
  t.diagnostic(summary(history))
})

/** The last warnings of the nodes. */
function warnings(): string {
  return nodes.map((node) => node.log().trimEnd().split('\n').slice(-20).join('\n')).join('\n\n')
}

test('a node that is killed: retries with the same key find everything', async (t) => {
  const earlier = await readOrdersAt(database.url)
  const load = startLoad({ urls: [url], copies: 2, clients: 16, maxKeys: 20_000 })
  for (const node of nodes) {
    await load.more(SOME)
    await node.kill()
    await load.more(SOME)
    await node.restart()
    await takesPart(node)
  }
  const history = await load.finish()
  const known = new Set(earlier.map(({ id }) => id))
  const rows = await readOrdersAt(database.url)
  checkOrders(
    rows.filter(({ id }) => !known.has(id)),
    history.sent,
  )
  // What a client may see is the key of a killed process, until its lease runs out.
  const others = [...history.interim.keys()].filter((word) => word !== '409 request_in_progress')
  assert.deepEqual(others, [])
  t.diagnostic(summary(history))
})

test('without any node: a problem document that asks to come again', async () => {
  await Promise.all(nodes.map((node) => node.stop()))
  const reply = await postOrder(url, newKey(), orderBody())
  assert.equal(`${reply.status} ${reply.code}`, '503 store_unavailable')
  assert.equal(reply.headers['retry-after'], '1')
  await Promise.all(nodes.map((node) => node.restart()))
  await Promise.all(nodes.map((node) => takesPart(node)))
})

test('the metrics are not shown to the outside, however they are spelled', async () => {
  for (const path of ['/metrics', '/METRICS', '/metrics/', '/metrics?a=b']) {
    const { status, body } = await send(url + path)
    assert.equal(status, 404, path)
    assert.ok(!body.includes('# HELP'), path)
  }
})

test('a node that is alive and not ready gets no requests', async (t) => {
  let astray = 0
  const node = (ready: boolean) =>
    createServer((req, res) => {
      if (req.url !== '/readyz' && !ready) astray++
      res.statusCode = req.url === '/readyz' && !ready ? 503 : 200
      res.end()
    }).listen(0, '127.0.0.1')
  const servers = [node(true), node(false)]
  const balanced = await balanceOver(t, servers)
  const untilMs = Date.now() + PATIENCE_MS
  // Until its checks have failed twice, it is taken for ready.
  do {
    assert.ok(Date.now() < untilMs, 'the node that is not ready goes on getting requests')
    await sleep(POLL_MS)
    astray = 0
    for (let n = 0; n < 20; n++) await send(`${balanced.url}/livez`)
  } while (astray > 0)
})

test('after a 503 only what has a key and what reads is tried again', async (t) => {
  const seen: string[] = []
  const stopping = () =>
    createServer((req, res) => {
      if (req.url !== '/readyz') seen.push(`${req.method} ${req.url}`)
      req.resume()
      res.statusCode = req.url === '/readyz' ? 200 : 503
      res.end('stopping')
    }).listen(0, '127.0.0.1')
  const servers = [stopping(), stopping()]
  const balanced = await balanceOver(t, servers)
  const attempts = async (path: string, method: string, headers: Record<string, string> = {}) => {
    seen.length = 0
    await send(balanced.url + path, { method, headers, ...(method === 'GET' ? {} : { body: '{}' }) })
    return seen.length
  }
  assert.equal(await attempts('/orders', 'POST'), 1, 'without a key')
  assert.ok((await attempts('/orders', 'POST', { 'Idempotency-Key': newKey() })) > 1, 'with a key')
  assert.ok((await attempts('/pay', 'POST')) > 1, 'with its key in the body')
  assert.ok((await attempts('/orders', 'GET')) > 1, 'that reads')
})

/** HAProxy before these two servers, which listen soon, until the test ends. */
async function balanceOver(t: TestContext, servers: readonly Server[]) {
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const [one, two] = servers.map((server) => portOf(server))
  const balanced = await startBalancer(one ?? 0, two ?? 0)
  t.after(async () => {
    await balanced.balancer.kill()
    for (const server of servers) server.close().closeAllConnections()
  })
  return balanced
}

async function startBalancer(one: number, two: number) {
  const program = needProgram('haproxy', 'haproxy')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const env = { BIND: `127.0.0.1:${port}`, NODE_1: `127.0.0.1:${one}`, NODE_2: `127.0.0.1:${two}` }
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-haproxy-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const balancer = await ServerProcess.start({
    program: '/usr/bin/env',
    // -db: in the foreground, one process.
    args: [...Object.entries(env).map(([name, value]) => `${name}=${value}`), program, '-db', '-f', CONFIG],
    log: join(directory, 'log'),
    user: undefined,
    stopSignal: 'SIGUSR1',
    probe: async () => assert.equal((await send(`${url}/readyz`)).status, 200),
  })
  return { balancer, url }
}

function portOf(server: Server): number {
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

/** Waits until HAProxy sends this node requests: it counts them from its start. */
async function takesPart(node: Service): Promise<void> {
  const untilMs = Date.now() + PATIENCE_MS
  for (;;) {
    // Refused for its signature: it changes nothing.
    await send(`${url}/orders`).catch(() => {})
    const { body } = await send(`${node.url}/metrics`)
    if (/^http_request_duration_seconds_count\{[^}]*route="\/orders"[^}]*\} [1-9]/m.test(body.toString()))
      return
    assert.ok(Date.now() < untilMs, 'HAProxy does not send the node any requests')
    await sleep(POLL_MS)
  }
}
