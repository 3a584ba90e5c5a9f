import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createBackend } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SAME_SIGNAL_MS } from '../../src/runtime/run-service.ts'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { holdOrders } from '../support/hold-orders.ts'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { met, startLoad, summary } from '../support/order-load.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, freePort, redisUrl, startRedis } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'
import { until } from '../support/until.ts'
import { alive, lines, metric, startWorkers, workerPids } from '../support/workers.ts'

describe('WORKERS=2', () => {
  test('while the primary hangs, open connections go on and /metrics is 503', async (t) => {
    const { service } = await startWorkers(t)
    assert.equal((await postOrder(service.url, newKey(), orderBody())).status, 201)
    service.pause()
    try {
      assert.equal((await postOrder(service.url, newKey(), orderBody())).status, 201)
      const metrics = await send(`${service.url}/metrics`)
      assert.equal(metrics.status, 503)
      assert.equal(metrics.code, 'store_unavailable')
      assert.equal(metrics.headers['retry-after'], '1')
    } finally {
      service.resume()
    }
    await until('it tells the sum again', async () => (await send(`${service.url}/metrics`)).status === 200)
  })

  test('both serve the one port, /metrics of either tells the sum, and both end with their primary', async (t) => {
    const { service, databaseUrl } = await startWorkers(t)
    const load = startLoad({ urls: [service.url] })
    await load.more(150)
    const history = await load.finish()
    checkOrders(await readOrdersAt(databaseUrl), history.sent)
    await until('both have logged requests', () => requestsOf(service).size === 2)
    assert.deepEqual([...requestsOf(service)].sort(), [1, 2])

    assert.equal(await metric(service.url, 'orders_placed_total'), history.sent.length)
    assert.equal(
      await metric(service.url, 'idempotency_outcomes_total'),
      history.finals + inProgress(history),
    )
    assert.equal(await metric(service.url, 'workers_running'), 2)
    assert.equal((await send(`${service.url}/readyz`)).status, 200)
    assert.equal(service.log().split('is ready on').length - 1, 1, 'the banner is shown once')
    assert.equal(lines(service).filter(({ msg }) => msg === 'migrated').length, 1)
    t.diagnostic(summary(history))

    const { lock, late } = await heldOrder(service, databaseUrl)
    process.kill(service.pid, 'SIGKILL')
    await lock.release()
    assert.equal((await late).status, 201, 'what is in flight finishes')
    await until('the workers are gone', () => workerPids(service).every((pid) => !alive(pid)))
    await assert.rejects(send(`${service.url}/livez`), { code: 'ECONNREFUSED' })
  })

  test('SIGHUP to their primary makes all of them open LOG_FILE anew; without one it stops them', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'oncekey-rotated-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const file = join(directory, 'log')
    const { service: other, settings } = await startWorkers(t)
    const service = await startService({ ...settings, LOG_FILE: file })
    t.after(() => service.stop())
    renameSync(file, `${file}.1`)
    service.signal('SIGHUP')
    const workersIn = () =>
      new Set(
        [...readFileSync(file, 'utf8').matchAll(/"worker":(\d)[^\n]*"msg":"request"/g)].map(
          ([, worker]) => worker,
        ),
      )
    await until('there is a new file', () => existsSync(file))
    await until('both write to it', async () => {
      for (let n = 0; n < 10; n++)
        assert.equal((await send(`${service.url}/livez`, { headers: { Connection: 'close' } })).status, 200)
      return workersIn().size === 2
    })

    other.signal('SIGHUP')
    assert.deepEqual(await other.ended(), { code: 0, signal: null })
    assert.ok(workerPids(other).every((pid) => !alive(pid)))
  })

  test('one that dies under load costs its connections and nothing else, and is replaced', async (t) => {
    const metricsPort = await freePort()
    const { service, databaseUrl } = await startWorkers(t, {
      METRICS_PORT: String(metricsPort),
      IDEMPOTENCY_LEASE: '1s',
    })
    const metricsUrl = `http://127.0.0.1:${metricsPort}`
    const load = startLoad({ urls: [service.url] })
    await load.more(100)
    const before = await metric(metricsUrl, 'orders_placed_total')
    assert.ok(before > 0)
    const [victim = 0] = workerPids(service)
    process.kill(victim, 'SIGKILL')
    await load.more(100)
    assert.ok((await metric(metricsUrl, 'orders_placed_total')) >= before, 'a counter has gone back')
    await until('it is replaced', () => workerPids(service).length === 3)
    await load.more(50)
    const history = await load.finish()
    checkOrders(await readOrdersAt(databaseUrl), history.sent)
    const others = [...history.interim.keys()].filter((word) => !RESET.includes(word))
    assert.deepEqual(others, [], summary(history))
    assert.ok(met(history, ...RESET) > 0, 'no request was on a connection to the one that died')

    assert.equal(await metric(metricsUrl, 'workers_running'), 2)
    assert.equal(await metric(metricsUrl, 'worker_restarts_total'), 1)
    const placed = await metric(metricsUrl, 'orders_placed_total')
    assert.ok(placed >= before)
    const [, second = 0] = workerPids(service)
    process.kill(second, 'SIGKILL')
    await until('the other one is replaced too', () => workerPids(service).length === 4)
    assert.equal(
      await metric(metricsUrl, 'orders_placed_total'),
      placed,
      'what the dead have counted remains',
    )
    assert.equal((await send(`${service.url}/metrics`)).status, 404, '/metrics is on the private port only')
    const { worker, restart_in_ms } = lines(service).find(({ msg }) => msg === 'a worker ended') ?? {}
    assert.deepEqual({ worker, restart_in_ms }, { worker: 1, restart_in_ms: 100 })
    t.diagnostic(summary(history))
  })

  test('on SIGTERM all stop as one: no response is lost, the exit code is 0', async (t) => {
    const { service, settings, databaseUrl } = await startWorkers(t)
    const other = await startService({ ...settings, WORKERS: '1' })
    t.after(() => other.kill())
    const load = startLoad({ urls: [service.url, other.url], clients: 8 })
    await load.more(150)
    assert.deepEqual(await service.stop(), { code: 0, signal: null })
    assert.ok(workerPids(service).every((pid) => !alive(pid)))
    await service.restart()
    const history = await load.finish()
    checkOrders(await readOrdersAt(databaseUrl), history.sent)
    for (const { key, finals } of history.sent) {
      const first = finals.filter(({ headers }) => headers['idempotent-replayed'] === undefined)
      assert.equal(first.length, 1, `the first response for ${key} did not reach its client`)
    }
    t.diagnostic(summary(history))

    // systemd tells each process of a service, not the first only.
    const { lock, late } = await heldOrder(service, databaseUrl)
    for (const pid of workerPids(service).slice(-2)) process.kill(pid, 'SIGTERM')
    service.signal('SIGTERM')
    await until('it stops', async () => (await send(`${service.url}/readyz`)).code === 'shutting_down')
    await lock.release()
    assert.equal((await late).status, 201)
    assert.deepEqual(await service.ended(), { code: 0, signal: null })
  })

  test('a second signal ends all at once', async (t) => {
    const { service, databaseUrl } = await startWorkers(t)
    const lock = await holdOrders(databaseUrl)
    const cut = assert.rejects(postOrder(service.url, newKey(), orderBody()), { code: 'ECONNRESET' })
    await until(
      'the order is in flight',
      async () => (await metric(service.url, 'http_requests_in_flight')) > 1,
    )
    service.signal('SIGTERM')
    // A worker that no longer listens may end the connection of a probe.
    const codeOf = () =>
      send(`${service.url}/readyz`).then(
        ({ code }) => code,
        () => undefined,
      )
    await until('it stops', async () => (await codeOf()) === 'shutting_down')
    await sleep(SAME_SIGNAL_MS)
    service.signal('SIGTERM')
    assert.deepEqual(await service.ended(), { code: 1, signal: null })
    await cut
    await until('the workers are gone', () => workerPids(service).every((pid) => !alive(pid)))
    await lock.release()
  })

  test('one that cannot start again is tried again, less and less often, while the other serves; all come back', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'oncekey-workers-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const CLIENTS_FILE = join(directory, 'clients.json')
    writeFileSync(CLIENTS_FILE, '{}')
    const { service } = await startWorkers(t, { CLIENTS_FILE })
    writeFileSync(CLIENTS_FILE, '{')
    const [victim = 0] = workerPids(service)
    process.kill(victim, 'SIGKILL')
    const deaths = () => lines(service).filter(({ msg }) => msg === 'a worker ended')
    await until('it was tried twice', () => deaths().length === 3)
    assert.deepEqual(
      deaths().map(({ restart_in_ms }) => restart_in_ms),
      [100, 200, 400],
    )
    assert.match(String(deaths()[1]?.reason), /clients\.json/)
    assert.equal((await postOrder(service.url, newKey(), orderBody())).status, 201)
    writeFileSync(CLIENTS_FILE, '{}')
    await until('it is replaced', () => workerPids(service).length === 3)

    for (const pid of workerPids(service).slice(-2)) process.kill(pid, 'SIGKILL')
    await until('both are replaced', () => workerPids(service).length === 5)
    const placed = await postOrder(service.url, newKey(), orderBody())
    assert.equal(placed.status, 201, 'they come back on the same port')
  })
})

test('a sidecar of two workers forwards a key once, and tells the sum', async (t) => {
  let calls = 0
  const backend = createBackend((_, res) => res.end(`call ${++calls}`)).listen(0, '127.0.0.1')
  await once(backend, 'listening')
  t.after(() => backend.close().closeAllConnections())
  const redis = await startRedis()
  const target = `http://127.0.0.1:${portOf(backend.address())}`
  const service = await startService({ REDIS_URL: redis.url, WORKERS: '2' }, ['proxy', '--target', target])
  t.after(async () => {
    await service.kill()
    await redis.stop()
  })
  const key = newKey()
  const post = () => send(`${service.url}/`, { method: 'POST', headers: { 'Idempotency-Key': key } })
  const replies = await Promise.all(Array.from({ length: 20 }, post))
  assert.equal(calls, 1)
  const conflicts = replies.filter(({ code }) => code === 'request_in_progress').length
  assert.equal(replies.filter(({ body }) => body.toString() === 'call 1').length + conflicts, 20)
  const admin = `${service.url}/.oncekey`
  assert.equal(await metric(admin, 'idempotency_outcomes_total'), 20)
  assert.equal(await metric(admin, 'workers_running'), 2)
  assert.deepEqual(await service.stop(), { code: 0, signal: null })
})

describe('workers that cannot start', () => {
  test('a port that is taken is said once, with exit code 1', async (t) => {
    const database = await createDatabase()
    const server = createServer().listen(0, '127.0.0.1')
    t.after(async () => {
      server.close()
      await database.drop()
    })
    await once(server, 'listening')
    const port = portOf(server.address())
    const settings = { DATABASE_URL: database.url, REDIS_URL: redisUrl, WORKERS: '2', PORT: String(port) }
    const { code, stderr } = await oncekey(['serve'], settings)
    assert.equal(code, 1)
    assert.equal(
      stderr,
      `oncekey serve: cannot listen on 127.0.0.1:${port}: another process listens there. Set PORT or HOST to a free address\n`,
    )
  })

  test('a database that refuses is said once, with exit code 1', async () => {
    const database = await createDatabase()
    await database.drop()
    const settings = { DATABASE_URL: database.url, REDIS_URL: redisUrl, WORKERS: '2', PORT: '0' }
    const { code, stderr } = await oncekey(['serve'], settings)
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^oncekey serve: the database of DATABASE_URL cannot be used: database "\w+" does not exist: create the database, or correct .+\n$/,
    )
  })

  test('settings that fit one process only are refused together', async () => {
    const { code, stderr } = await oncekey(['serve'], { WORKERS: '2', PORT: '0' })
    assert.equal(code, 1)
    assert.match(stderr, /WORKERS=2 needs REDIS_URL: .*\n.*WORKERS=2 needs DATABASE_URL: /)
  })

  test('a worker of the cluster of another program, which tells it nothing, is refused', async (t) => {
    const child = fork(OTHER_PRIMARY, { env: { ...process.env, PORT: '0' }, stdio: 'pipe' })
    t.after(() => child.kill('SIGKILL'))
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const [code] = await once(child, 'close', { signal: AbortSignal.timeout(REFUSED_MS) })
    assert.equal(code, 1)
    assert.match(
      said,
      /^oncekey serve: this process is a worker of the cluster of another program, such as PM2/,
    )
  })
})

/** As PM2 in cluster mode: forks the program and ends with its exit code. */
const OTHER_PRIMARY = fileURLToPath(new URL('../support/other-primary.js', import.meta.url))
const REFUSED_MS = 30_000

/** A kept connection to the one that died; its requests, whose key is held until the lease ends or is taken over. */
const RESET = ['ECONNRESET', 'EPIPE', '409 request_in_progress']

function requestsOf(service: Parameters<typeof lines>[0]): Set<unknown> {
  return new Set(
    lines(service)
      .filter(({ msg }) => msg === 'request')
      .map(({ worker }) => worker),
  )
}

function inProgress(history: Parameters<typeof met>[0]): number {
  return met(history, '409 request_in_progress')
}

/** An order in flight, which waits for the lock. */
async function heldOrder({ url }: Service, databaseUrl: string) {
  const lock = await holdOrders(databaseUrl)
  const late = postOrder(url, newKey(), orderBody())
  await until('the order is in flight', async () => (await metric(url, 'http_requests_in_flight')) > 1)
  return { lock, late }
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0
}
