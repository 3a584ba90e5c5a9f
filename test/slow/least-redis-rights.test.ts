import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { redisBoard } from '../../internal/console/node-board.ts'
import { nodeReport } from '../../internal/console/node-report.ts'
import { ServiceError } from '../../internal/core/service-error.ts'
import { connectRedis } from '../../internal/database/redis.ts'
import { rehearseRedis } from '../../internal/database/rehearse.ts'
import { RedisLimiter } from '../../internal/ratelimit/redis-limiter.ts'
import { idempotencyStoreContract } from '../contract/idempotency-store.ts'
import { limiterContract } from '../contract/limiter.ts'
import { keysOnRedis } from '../contract/on-redis.ts'
import { documentedRights } from '../support/engines-document.ts'
import { onRedis } from '../support/on-redis.ts'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { connected } from '../support/redis-ready.ts'
import { startSentinels } from '../support/redis-sentinel.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, startRedis, type ThrowawayServer } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const { user, rules, besides } = documentedRights().redis
const PASSWORD = 'secret'
const forWhat = (what: RegExp) => {
  const found = besides.find((one) => what.test(one.what))
  assert.ok(found, `docs/engines.md has no rights for ${what}`)
  return found.rules
}
const OPERATOR = forWhat(/oncekey keys/)
const SIDECAR_CONSOLE = forWhat(/console of the sidecar/)
const CLUSTER = forWhat(/Cluster/)

/** The user of the document with further rules. */
async function setUser({ url }: { url: string }, ...more: string[]): Promise<void> {
  await onRedis(url, 'ACL', 'SETUSER', user, 'reset', 'on', `>${PASSWORD}`, ...rules, ...more)
}

function as(url: string): string {
  return url.replaceAll('redis://', `redis://${user}:${PASSWORD}@`)
}

/** The entries of the user in ACL LOG. */
async function refused({ url }: ThrowawayServer): Promise<string[]> {
  const log = await onRedis(url, 'ACL', 'LOG')
  return Array.isArray(log) ? log.map((one: unknown) => JSON.stringify(one)) : []
}

const own = await startRedis()
await setUser(own, ...OPERATOR)
const redis = await connected(connectRedis(as(own.url)))
after(async () => {
  await redis.close()
  await own.stop()
})

const newPrefix = () => `oncekey:${randomUUID()}`

idempotencyStoreContract('keys in Redis with the rights of docs/engines.md', async () =>
  keysOnRedis(redis, async () => {}, newPrefix()),
)

limiterContract('limits in Redis with the rights of docs/engines.md', {
  create: (now) => new RedisLimiter(redis, { now }),
})

idempotencyStoreContract('keys in a cluster with the rights of docs/engines.md', async () => {
  const cluster = await startRedisCluster({ masters: 3 })
  for (const master of cluster.masters) await setUser(master, ...OPERATOR, ...CLUSTER)
  const connection = await connected(connectRedis(as(cluster.url)))
  const close = async () => {
    const complaints = (await Promise.all(cluster.masters.map(refused))).flat()
    await connection.close()
    await cluster.stop()
    assert.deepEqual(complaints, [])
  }
  return keysOnRedis(connection, close, newPrefix())
})

test('the console of the sidecar has the rights that it needs', async (t) => {
  const server = await startRedis()
  t.after(() => server.stop())
  await setUser(server, ...SIDECAR_CONSOLE)
  const connection = await connected(connectRedis(as(server.url)))
  t.after(() => connection.close())
  const board = redisBoard(connection, newPrefix())
  const figures = { uptimeMs: 1, requestsPerS: 1, eventLoopMs: 0, residentBytes: 1, inFlight: 0 }
  await board.write('a', nodeReport.parse({ version: '1', ...figures }))
  assert.equal((await board.read()).length, 1)
  await board.remove('a', 1_000)
  assert.deepEqual(await refused(server), [])
  for (const rule of ['-hgetall', '-hdel']) {
    await setUser(server, ...SIDECAR_CONSOLE, rule)
    await assert.rejects(Promise.all([board.read(), board.remove('a', 1_000)]), isOutage, rule)
  }
})

test('with sentinels the user needs no further rights', async (t) => {
  const sentinels = await startSentinels()
  t.after(() => sentinels.stop())
  for (const server of [sentinels.primary, sentinels.replica]) await setUser(server)
  const url = sentinels.url.replace('redis+sentinel://', `redis+sentinel://${user}:${PASSWORD}@`)
  const connection = await connected(connectRedis(url))
  t.after(() => connection.close())
  await rehearseRedis(connection, 'oncekey:test')
  assert.deepEqual(await refused(sentinels.primary), [])
})

/** Only the start needs PING and INFO: without them the version is not checked, and the service waits a second. */
const COMMANDS = rules.flatMap((rule) => (/^\+(?!ping|info)/.test(rule) ? [rule.slice(1)] : []))

test('without any one of these commands the rehearsal fails with an outage, not with a defect', async (t) => {
  const server = await startRedis()
  t.after(() => server.stop())
  await setUser(server)
  const connection = await connected(connectRedis(as(server.url)))
  t.after(() => connection.close())
  await rehearseRedis(connection, 'oncekey:test')
  assert.ok(COMMANDS.length > 15)
  for (const command of COMMANDS) {
    // EVAL follows EVALSHA only if Redis does not have the script.
    if (command === 'eval') await onRedis(server.url, 'SCRIPT', 'FLUSH')
    await setUser(server, `-${command}`)
    await assert.rejects(rehearseRedis(connection, 'oncekey:test'), isOutage, `${command} is not needed`)
    await setUser(server)
    // The key that a failed rehearsal left does not make the next one fail.
    await rehearseRedis(connection, 'oncekey:test')
  }
  await setUser(server, 'resetkeys', '~other:*')
  await assert.rejects(rehearseRedis(connection, 'oncekey:test'), isOutage)
})

function isOutage(error: unknown): boolean {
  return error instanceof ServiceError && error.code === 'store_unavailable'
}

test('a service with this user places orders; with one right less they get 503, and never 500', async (t) => {
  const server = await startRedis()
  const database = await createDatabase()
  await setUser(server, '+config|get')
  const settings = { DATABASE_URL: database.url, REDIS_URL: as(server.url), RATE_LIMITS: 'client=1000/1s' }
  const service = await startService(settings)
  t.after(async () => {
    await service.kill()
    await server.stop()
    await database.drop()
  })
  const key = newKey()
  assert.equal((await postOrder(service.url, key, orderBody())).status, 201)
  assert.equal((await postOrder(service.url, key, orderBody())).headers['idempotent-replayed'], 'true')
  assert.equal((await send(`${service.url}/readyz`)).status, 200)
  const { code, stdout } = await oncekey(['doctor'], settings)
  assert.doesNotMatch(stdout, /^FAULT redis/m)
  assert.equal(code, stdout.includes('FAULT') ? 1 : 0)
  assert.deepEqual(await refused(server), [])

  for (const command of COMMANDS) {
    await setUser(server, `-${command}`)
    const { status, headers } = await postOrder(service.url, newKey(), orderBody())
    assert.ok(status === 201 || (status === 503 && headers['retry-after']), `without ${command}: ${status}`)
  }
  await setUser(server, '-time')
  const denied = await postOrder(service.url, newKey(), orderBody())
  assert.deepEqual([denied.status, denied.code], [503, 'store_unavailable'])
  await until('it is not ready', async () => (await send(`${service.url}/readyz`)).status === 503)
  assert.match((await oncekey(['doctor'], settings)).stdout, /^FAULT redis: .*'time' command/m)
  await setUser(server)
  await until('it is ready again', async () => (await send(`${service.url}/readyz`)).status === 200)
  assert.equal((await postOrder(service.url, newKey(), orderBody())).status, 201)
})
