import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { onRedis, untilReply } from '../support/on-redis.ts'
import { newKey, send } from '../support/order-client.ts'
import { met, startLoad, summary } from '../support/order-load.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { tcpServer } from '../support/tcp-server.ts'

/** The time for one key, including retries. */
const PATIENCE_MS = 30_000
const RETRY_MS = 50
const CLIENTS = 8
const FAILOVERS = 4

test('FAILOVER of a single Redis, and back: no order is lost, and clients see no errors except 503 and 409', async (t) => {
  const redis = await startRedisPair(t)
  const database = await createDatabase()
  const services = await Promise.all(
    [0, 1].map(() =>
      startService({
        DATABASE_URL: database.url,
        REDIS_URL: redis.url,
        RATE_LIMITS: 'global=1000000/60s,ip=1000000/60s,client=1000000/60s',
      }),
    ),
  )
  t.after(async () => {
    for (const service of services) await service.kill()
    await database.drop()
  })
  const load = startLoad({ urls: services.map(({ url }) => url), clients: CLIENTS })
  await load.more(100)
  for (let n = 0; n < FAILOVERS; n++) {
    await redis.failOver()
    await load.more(100)
  }
  const history = await load.finish()
  checkOrders(await readOrdersAt(database.url), history.sent)
  assert.ok(met(history, '503 store_unavailable') > 0, 'the failover was noticed')
  t.diagnostic(summary(history))
})

test('with a sidecar that has its keys in Redis, the backend sees each key once', async (t) => {
  const redis = await startRedisPair(t)
  const backend = await startBackend(t, (res) => setTimeout(() => res.writeHead(201).end('done'), 20))
  const sidecar = await startProxy(t, backend.url, [], { REDIS_URL: redis.url })
  const keys: string[] = []
  let refused = 0
  let stopping = false
  const client = async () => {
    while (!stopping) {
      const key = newKey()
      keys.push(key)
      const deadlineMs = performance.now() + PATIENCE_MS
      // Sent again after its response: a key that a failover has lost would be forwarded a second time.
      for (let responses = 0; responses < 3; await sleep(RETRY_MS)) {
        const { status, code } = await send(`${sidecar.url}/charge`, {
          method: 'POST',
          headers: { 'Idempotency-Key': key },
          body: '{}',
        })
        if (status === 201) responses++
        else if (status === 503) refused++
        else assert.equal(status, 409, `${key}: ${code}`)
        assert.ok(performance.now() < deadlineMs, `${key}: still ${status} ${code}`)
        if (code === 'outcome_unknown') break
      }
    }
  }
  const ended = Promise.all(Array.from({ length: CLIENTS }, client))
  for (let n = 0; n < FAILOVERS; n++) {
    await sleep(500)
    await redis.failOver()
  }
  stopping = true
  await ended
  assert.deepEqual(
    keys.filter((key) => backend.runs(key) > 1),
    [],
  )
  t.diagnostic(`${keys.length} keys, ${refused} times 503`)
  assert.ok(refused > 0, 'the failover was noticed')
})

/** A primary, a replica, and one address of the primary, like that of a proxy with health checks. */
async function startRedisPair(t: TestContext) {
  const primary = await startRedis()
  t.after(() => primary.kill())
  const replica = await startRedis({ settings: ['--replicaof', '127.0.0.1', new URL(primary.url).port] })
  t.after(() => replica.kill())
  await untilReply(replica.url, ['INFO', 'replication'], 'master_link_status:up')
  let [leader, follower] = [primary, replica]
  const open = new Set<Socket>()
  const { server, close } = tcpServer((client) => {
    const target = connect(Number(new URL(leader.url).port), '127.0.0.1')
    open.add(client)
    client.once('close', () => open.delete(client))
    client.pipe(target).on('error', () => client.destroy())
    target.pipe(client).on('error', () => target.destroy())
  })
  t.after(close)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('it listens on TCP')
  return {
    url: `redis://127.0.0.1:${address.port}`,
    async failOver() {
      await onRedis(leader.url, 'FAILOVER')
      await untilReply(follower.url, ['INFO', 'replication'], 'role:master')
      ;[leader, follower] = [follower, leader]
      for (const socket of open) socket.destroy()
      // Only a replica that is in sync can be promoted.
      await untilReply(follower.url, ['INFO', 'replication'], 'master_link_status:up')
    },
  }
}
