import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, openDatabase } from '../internal/database/database.ts'
import { migrate, newerMigrations } from '../internal/database/migrate.ts'
import { connectRedis, type RedisConnection } from '../internal/database/redis.ts'
import { requireServerVersion } from '../internal/database/server-version.ts'
import type { Logger } from '../internal/telemetry/logger.ts'
import type { Config } from './config.ts'
import { SQL_DIRECTORY, VERSION } from './package-root.ts'
import { describeCause, underlyingCause } from './underlying-cause.ts'

/** A database that starts together with the service, as in docker-compose, needs this long at most. */
const DATABASE_START_MS = 30_000
/** A Redis that is there is connected within milliseconds. */
const REDIS_START_MS = 1_000

/** The database of the settings, or the embedded one, once it answers. */
export async function reachableDatabase(config: Config, progress: (text: string) => void): Promise<Database> {
  if (config.databaseUrl === undefined) {
    // Only here: a service with a server of its own does not load a database into its memory.
    const { openEmbedded } = await import('../internal/database/embedded.ts')
    return await openEmbedded(config.dataDir, progress)
  }
  const database = openDatabase(config.databaseUrl)
  const untilMs = Date.now() + DATABASE_START_MS
  for (;;) {
    try {
      await database.ping()
      break
    } catch (error) {
      const reason = describeCause(error)
      if (Date.now() > untilMs || isRefusal(underlyingCause(error))) {
        throw new Error(`the database of DATABASE_URL cannot be used: ${reason}`)
      }
      progress(`waiting for the database of DATABASE_URL (${reason})`)
      await sleep(1_000)
    }
  }
  await requireServerVersion(database)
  return database
}

/** SQLSTATE classes for user, password and database name; what Node says of a certificate that it does not accept. */
const REFUSAL = /^(28|3D)|CERT|ERR_TLS/

/** Waiting does not help. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && REFUSAL.test(String(error.code))
}

/** Applies what is missing. A database that is newer than this version is fine, unless migrate() throws: see there. */
export async function bringUpToDate(database: Database, logger: Logger): Promise<void> {
  const applied = await migrate(database, SQL_DIRECTORY)
  if (applied.length > 0) logger.info({ applied }, 'migrated')
  const newer = await newerMigrations(database, SQL_DIRECTORY)
  if (newer.length > 0) {
    logger.warn(
      { newer },
      `the database was migrated by a version newer than ${VERSION}: upgrade this one too`,
    )
  }
}

/** Connected, or on the way: see there. */
export async function openRedis(url: string, logger: Logger): Promise<RedisConnection> {
  const redis: RedisConnection = connectRedis(url, {
    onState(state, cause) {
      if (state === 'lost') logger.error({ err: cause }, 'the connection to Redis is lost')
      else {
        logger.info('connected to Redis')
        void warnAboutEviction(redis, logger)
      }
    },
  })
  await connected(redis)
  return redis
}

/**
 * So that the first requests do not meet a Redis that is still being connected to. One that is away does not keep
 * the service from starting: it is waited for no longer than a moment.
 */
async function connected(redis: RedisConnection): Promise<void> {
  const untilMs = Date.now() + REDIS_START_MS
  while (Date.now() < untilMs) {
    const answers = await redis.ping().then(
      () => true,
      () => false,
    )
    if (answers) return
    await sleep(10)
  }
}

async function warnAboutEviction(redis: RedisConnection, logger: Logger): Promise<void> {
  const policy = await unsafePolicy(redis)
  if (policy === undefined) return
  logger.warn({ policy }, 'Redis may evict idempotency records: set maxmemory-policy to noeviction')
}

/** A `maxmemory-policy` that may throw keys away, of any master; undefined: none has one, or it cannot be told now. */
export async function unsafePolicy(redis: RedisConnection): Promise<string | undefined> {
  const servers = await redis.servers().catch(() => [])
  return servers
    .map(({ evictionPolicy }) => evictionPolicy)
    .find((one) => one !== undefined && one !== 'noeviction')
}

/** Of one of the masters, Unix milliseconds. Rejects when one of them does not answer. */
export async function redisClockMs(redis: RedisConnection): Promise<number> {
  const [server] = await redis.servers()
  if (server === undefined) throw new Error('a Redis without a server')
  return server.clockMs
}
