import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, type TestContext, test } from 'node:test'
import { Redis } from 'ioredis'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { asPostgres13, asRedis60 } from '../support/older-servers.ts'
import { send } from '../support/order-client.ts'
import { startPgpool } from '../support/pgpool.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { oncekey } from '../support/run-command.ts'
import {
  createDatabase,
  query,
  startPostgres,
  startRedis,
  startStandby,
  type TestDatabase,
  type ThrowawayServer,
} from '../support/servers.ts'
import { type Settings, startService } from '../support/service.ts'
import { until } from '../support/until.ts'

let postgres: ThrowawayServer
let redis: ThrowawayServer
before(async () => {
  ;[postgres, redis] = await Promise.all([startPostgres(['fsync = on']), startRedis()])
})
after(() => Promise.all([postgres.stop(), redis.stop()]))

async function migrated(): Promise<TestDatabase & { name: string }> {
  const { url, drop } = await createDatabase(postgres.url)
  const database = openDatabase(url)
  await migrate(database, SQL_DIRECTORY)
  await database.close()
  return { url, drop, name: new URL(url).pathname.slice(1) }
}

/** A database with `setting`, set by ALTER DATABASE. */
async function altered(setting: string): Promise<Settings> {
  const { url, name } = await migrated()
  await query(url, (sql) => sql.unsafe(`ALTER DATABASE ${name} SET ${setting}`))
  return { DATABASE_URL: url }
}

async function withRole(grants: (role: string) => string): Promise<Settings> {
  const { url } = await migrated()
  const role = `oncekey_role_${randomBytes(6).toString('hex')}`
  await query(url, (sql) => sql.unsafe(`CREATE ROLE ${role} LOGIN; ${grants(role)}`))
  return { DATABASE_URL: Object.assign(new URL(url), { username: role }).href }
}

async function withUser(rules: string[]): Promise<Settings> {
  const user = `user-${randomBytes(6).toString('hex')}`
  const client = new Redis(redis.url)
  await client.call('ACL', 'SETUSER', user, 'on', '>secret', ...rules)
  client.disconnect()
  return { REDIS_URL: Object.assign(new URL(redis.url), { username: user, password: 'secret' }).href }
}

async function ownRedis(t: TestContext, ...settings: string[]): Promise<Settings> {
  const server = await startRedis({ settings })
  t.after(() => server.stop())
  return { REDIS_URL: server.url }
}

/** Each misconfiguration, and the expected finding of doctor: the cause and what to do. */
const PLANTED: readonly (readonly [string, (t: TestContext) => Promise<Settings>, RegExp])[] = [
  [
    'a role that may not write orders',
    () => withRole((role) => `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`),
    /orders: cannot be placed: permission denied for table .*: the role lacks a right: .*docs\/engines\.md/,
  ],
  [
    'synchronous_commit = off',
    () => altered('synchronous_commit = off'),
    /synchronous_commit = off: .*RESET/,
  ],
  [
    'fsync = off',
    async (t) => {
      const server = await startPostgres()
      t.after(() => server.stop())
      return { DATABASE_URL: server.url }
    },
    /database: it has fsync = off: a crash can lose acknowledged orders; run ALTER SYSTEM RESET fsync and/,
  ],
  [
    'an isolation that hides commits',
    () => altered("default_transaction_isolation = 'serializable'"),
    /default_transaction_isolation = serializable, .*RESET default_transaction_isolation/,
  ],
  [
    'a read-only database',
    () => altered('default_transaction_read_only = on'),
    /it has default_transaction_read_only = on, so it accepts no writes: run ALTER DATABASE/,
  ],
  [
    'triggers that do not fire',
    () => altered("session_replication_role = 'replica'"),
    /session_replication_role = replica, in which triggers do not fire/,
  ],
  [
    'a standby',
    async (t) => {
      const standby = await startStandby(postgres)
      t.after(() => standby.stop())
      return { DATABASE_URL: standby.url }
    },
    /database: it is a standby, which accepts no writes: name the primary/,
  ],
  [
    'an encoding that lacks characters',
    async () => {
      const name = `oncekey_latin_${randomBytes(6).toString('hex')}`
      const like = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
      await query(postgres.url, (sql) => sql.unsafe(`CREATE DATABASE ${name} ${like}`))
      return { DATABASE_URL: Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href }
    },
    /it has the encoding LATIN1, .*create it with ENCODING 'UTF8'/,
  ],
  [
    'a PostgreSQL that is too old',
    async (t) => ({ DATABASE_URL: await asPostgres13(t, (await migrated()).url) }),
    /it is PostgreSQL 13\..*: 14 or newer is required/,
  ],
  [
    'a pooler that does not commit',
    async (t) => {
      const { url } = await migrated()
      const pool = await startPgpool(url, 'raw')
      t.after(() => pool.stop())
      return { DATABASE_URL: pool.through(url) }
    },
    /orders: cannot be placed: the connection is in a transaction that a pooler has opened.*docs\/engines\.md/,
  ],
  [
    'missing migrations',
    async () => ({ DATABASE_URL: (await createDatabase(postgres.url)).url }),
    /migrations: 001_deployment\.sql, .*not applied: run oncekey migrate/,
  ],
  [
    'another search_path',
    async () => ({ DATABASE_URL: `${(await migrated()).url}?search_path=elsewhere` }),
    /migrations: 001_deployment\.sql, .*not applied/,
  ],
  [
    'a parameter that the server does not know',
    async () => ({ DATABASE_URL: `${(await migrated()).url}?keepalive=1` }),
    /unrecognized configuration parameter "keepalive": .*leave it out/,
  ],
  [
    'TLS that is not there',
    async () => ({ DATABASE_URL: `${(await migrated()).url}?sslmode=verify-full` }),
    /the server does not offer TLS, which sslmode requires: enable ssl/,
  ],
  [
    'a Redis that evicts',
    (t) => ownRedis(t, '--maxmemory-policy', 'allkeys-lru'),
    /redis maxmemory-policy: allkeys-lru, must be noeviction/,
  ],
  [
    'a replica',
    async (t) => {
      const { port } = new URL(redis.url)
      const settings = await ownRedis(t, '--replicaof', '127.0.0.1', port)
      const replica = new Redis(settings.REDIS_URL ?? '')
      await until('it follows', async () =>
        (await replica.info('replication')).includes('master_link_status:up'),
      )
      replica.disconnect()
      return settings
    },
    /redis scripts: .*READONLY.*: it is a replica, which accepts no writes: name the primary/,
  ],
  [
    'one node of a cluster',
    async (t) => {
      const cluster = await startRedisCluster({ masters: 3 })
      t.after(() => cluster.stop())
      return { REDIS_URL: cluster.masters[0]?.url ?? '' }
    },
    /redis scripts: (MOVED|CROSSSLOT) .*: it is one node of a cluster: name several of its nodes/,
  ],
  [
    'a Redis user without TIME',
    () => withUser(['~oncekey:*', '+@all', '-time']),
    /redis: .*NOPERM .*'time' command.*: the user lacks a right: docs\/engines\.md has the ACL/,
  ],
  [
    'a Redis user without scripts',
    () => withUser(['~oncekey:*', '+@all', '-@scripting']),
    /redis scripts: .*it may not use the command eval, the command evalsha/,
  ],
  [
    'a Redis user for other keys',
    () => withUser(['~other:*', '+@all']),
    /redis scripts: .*it may not use the names oncekey:\*/,
  ],
  [
    'a Redis that is too old',
    async (t) => ({ REDIS_URL: await asRedis60(t, redis.url) }),
    /redis: \w+ 6\.0\.\S+, Redis 6\.2 or newer is required/,
  ],
  [
    'a Redis with no memory left',
    (t) => ownRedis(t, '--maxmemory', '1'),
    /redis scripts: .*OOM.*: raise maxmemory/,
  ],
]

test(`the doctor finds each of ${PLANTED.length} misconfigurations and says what to do`, async (t) => {
  for (const [name, buildMutant, expected] of PLANTED) {
    await t.test(name, async (one) => {
      const { code, stdout } = await oncekey(['doctor'], await buildMutant(one))
      assert.equal(code, 1)
      const faults = stdout.split('\n').filter((line) => line.startsWith('FAULT'))
      assert.match(faults.join('\n'), expected)
    })
  }
})

test('a service is not ready while its database or its Redis would refuse an order, and says why', async (t) => {
  const [{ url, name }, own] = await Promise.all([migrated(), startRedis()])
  const service = await startService({ DATABASE_URL: url, REDIS_URL: own.url })
  const control = new Redis(own.url)
  t.after(async () => {
    control.disconnect()
    await service.kill()
    await own.stop()
  })
  const readiness = async () => (await send(`${service.url}/readyz`)).body.toString()
  await until('it is ready', async () => (await readiness()) === 'ready\n')
  await control.replicaof('127.0.0.1', 1)
  await until('the replica is seen', async () =>
    (await readiness()).includes('Not ready: redis accepts no writes: it is a replica.'),
  )
  await control.replicaof('NO', 'ONE')
  await until('it is ready again', async () => (await readiness()) === 'ready\n')
  await control.call('ACL', 'SETUSER', 'default', '-time')
  await until('the missing right is seen', async () =>
    (await readiness()).includes('Not ready: redis refuses a right that an order needs.'),
  )
  await control.call('ACL', 'SETUSER', 'default', '+time')
  const end =
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'
  await query(url, (sql) => sql.unsafe(`ALTER DATABASE ${name} SET default_transaction_read_only = on`))
  await query(url, (sql) => sql.unsafe(end))
  await until('the read-only database is seen', async () =>
    (await readiness()).includes('Not ready: database accepts no writes.'),
  )
  // With another database, because this one is read-only.
  await query(postgres.url, (sql) => sql.unsafe(`ALTER DATABASE ${name} RESET default_transaction_read_only`))
  await query(url, (sql) => sql.unsafe(end))
  await until('it is ready at last', async () => (await readiness()) === 'ready\n')
  await until('the log says why', () => /not ready: redis: .*READONLY/.test(service.log()))
})

test('serve refuses a Redis that doctor calls too old', async (t) => {
  const REDIS_URL = await asRedis60(t, redis.url)
  const { code, stderr } = await oncekey(['serve'], {
    REDIS_URL,
    DATABASE_URL: (await migrated()).url,
    PORT: '0',
  })
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^oncekey serve: the Redis of REDIS_URL is \w+ 6\.0\.\S+: Redis 6\.2 or newer is required$/m,
  )
})
