import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ServiceError } from '../../internal/core/service-error.ts'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { publicReason } from '../../internal/database/public-reason.ts'
import { connectRedis } from '../../internal/database/redis.ts'
import { loadScript } from '../../internal/database/redis-script.ts'
import { rehearseRedis } from '../../internal/database/rehearse.ts'
import { withRefusalsOfRedis62 } from '../support/older-servers.ts'
import { onRedis } from '../support/on-redis.ts'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { startRedisProxy } from '../support/redis-proxy.ts'
import { connected } from '../support/redis-ready.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, startRedis, temporaryDirectory } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const database = await createDatabase()
after(() => database.drop())

const CLOSES =
  'it returns PONG and closes the connection at INFO, as does a proxy such as twemproxy, which does not forward every command: REDIS_URL must name Redis itself, several nodes of its cluster, or its sentinels'
const REFUSES =
  /it returns PONG and refuses INFO \(ERR unknown command 'INFO'\), .*REDIS_URL must name Redis itself/

test('doctor and serve name a proxy that does not forward every command', async (t) => {
  const closing = await startRedisProxy(t)
  const { code, stdout } = await oncekey(['doctor'], { REDIS_URL: `${closing}/1` })
  assert.equal(code, 1)
  assert.ok(stdout.includes(`FAULT redis: REDIS_URL: ${CLOSES}\n`), stdout)
  const served = await oncekey(['serve'], { REDIS_URL: closing, DATABASE_URL: database.url, PORT: '0' })
  assert.equal(served.code, 1)
  assert.ok(
    served.stderr.includes(`oncekey serve: the Redis of REDIS_URL cannot be used: ${CLOSES}\n`),
    served.stderr,
  )
  const refusing = await startRedisProxy(t, "-ERR unknown command 'INFO'\r\n")
  assert.match((await oncekey(['doctor'], { REDIS_URL: refusing })).stdout, REFUSES)
})

for (const command of ['EVALSHA', 'HSET']) {
  test(`a Redis whose rename-command has removed ${command} is an outage with its reason, and not a defect`, async (t) => {
    const own = await startRedis({ settings: ['--rename-command', command, ''] })
    const settings = { DATABASE_URL: database.url, REDIS_URL: own.url, RATE_LIMITS: 'client=1000/1s' }
    const service = await startService(settings)
    t.after(async () => {
      await service.kill()
      await own.stop()
    })
    const { status, code, headers } = await postOrder(service.url, newKey(), orderBody())
    assert.deepEqual([status, code], [503, 'store_unavailable'])
    assert.ok(headers['retry-after'])
    await until('the missing command is seen', async () =>
      (await send(`${service.url}/readyz`)).body
        .toString()
        .includes('Not ready: redis lacks a command that an order needs.'),
    )
    const { stdout } = await oncekey(['doctor'], settings)
    assert.match(
      stdout,
      new RegExp(
        `^FAULT redis scripts: ERR .*: an order needs this command: .*; .*command ${command.toLowerCase()}`,
        'm',
      ),
    )
  })
}

/** The errors of Redis 6.2 and KeyDB, Redis 7 and Valkey 8 inside a script for a command that is forbidden or missing. */
const INSIDE: readonly (readonly [string, string])[] = [
  [
    "The user executing the script can't run this command or subcommand",
    'refuses a right that an order needs',
  ],
  [
    "The user executing the script can't access at least one of the keys mentioned in the command arguments",
    'refuses a right that an order needs',
  ],
  [
    "ACL failure in script: User oncekey has no permissions to run the 'time' command",
    'refuses a right that an order needs',
  ],
  ['Unknown Redis command called from Lua script', 'lacks a command that an order needs'],
  ['Unknown Redis command called from script', 'lacks a command that an order needs'],
  ['Unknown command called from script', 'lacks a command that an order needs'],
]

test('a refusal inside a script, with the text of every version, is an outage with effect unknown', async (t) => {
  const own = await startRedis()
  t.after(() => own.stop())
  const redis = await connected(connectRedis(own.url))
  t.after(() => redis.close())
  const directory = temporaryDirectory()
  for (const [at, [text, reason]] of INSIDE.entries()) {
    const file = join(directory, `${at}.lua`)
    writeFileSync(file, `return function() error(${JSON.stringify(text)}) end`)
    const refusal = await redis
      .run(loadScript(pathToFileURL(file)), ['k'], [])
      .catch((error: unknown) => error)
    assert.ok(refusal instanceof ServiceError, `${text}: ${refusal}`)
    assert.deepEqual([refusal.code, refusal.effect], ['store_unavailable', 'unknown'])
    assert.equal(publicReason(refusal), reason)
    assert.match(explainRefusal(refusal), /docs\/engines\.md has the ACL|an order needs this command/)
  }
})

test('a refusal inside a script of Redis 6.2 is the same outage as with newer versions, and a replica is left', async (t) => {
  const own = await startRedis()
  t.after(() => own.stop())
  let losses = 0
  const redis = await connected(
    connectRedis(await withRefusalsOfRedis62(t, own.url), {
      onState: (state) => state === 'lost' && losses++,
    }),
  )
  t.after(() => redis.close())
  const refusal = async () => {
    const error = await rehearseRedis(redis, 'oncekey:test').catch((caught: unknown) => caught)
    assert.ok(error instanceof ServiceError, String(error))
    assert.deepEqual([error.code, error.effect], ['store_unavailable', 'none'])
    return explainRefusal(error)
  }
  await onRedis(own.url, 'CONFIG', 'SET', 'min-replicas-to-write', '1')
  assert.match(await refusal(), /^NOREPLICAS .*: it has too few replicas/)
  await onRedis(own.url, 'CONFIG', 'SET', 'min-replicas-to-write', '0')
  await onRedis(own.url, 'CONFIG', 'SET', 'maxmemory', '1')
  assert.match(await refusal(), /^OOM .*: raise maxmemory/)
  await onRedis(own.url, 'CONFIG', 'SET', 'maxmemory', '0')
  assert.equal(losses, 0)
  await onRedis(own.url, 'REPLICAOF', '127.0.0.1', '1')
  assert.match(await refusal(), /^READONLY .*: it is a replica/)
  // A new connection finds the new primary.
  await until('the connection is replaced', () => losses === 1)
})

test('a connection sends no command that Redis refuses: a user with few rights has no entry in the ACL LOG', async (t) => {
  const own = await startRedis()
  t.after(() => own.stop())
  const redis = await connected(connectRedis(own.url))
  t.after(() => redis.close())
  await rehearseRedis(redis, 'oncekey:test')
  // CLIENT SETINFO would be such a command; Redis 7.0 and older do not have it.
  const errors = String(await onRedis(own.url, 'INFO', 'errorstats')).match(/errorstat_\w+/g)
  assert.deepEqual(errors, ['errorstat_NOSCRIPT'])
})
