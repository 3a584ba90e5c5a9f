import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../internal/core/service-error.ts'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { examineServer } from '../../internal/database/examine-server.ts'
import { explainRefusal, isLasting } from '../../internal/database/explain-refusal.ts'
import { findRedisProxy } from '../../internal/database/find-redis-proxy.ts'
import { migrate, newerMigrations } from '../../internal/database/migrate.ts'
import { connectRedis, type RedisConnection } from '../../internal/database/redis.ts'
import type { RedisTls } from '../../internal/database/redis-client.ts'
import { engineFault } from '../../internal/database/redis-engine.ts'
import { missingRights } from '../../internal/database/service-rights.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Config, ConfigOf } from '../config/config.ts'
import { SQL_DIRECTORY, VERSION } from '../package-root.ts'
import { type RedisTlsSettings, redisTlsOf } from './redis-tls.ts'

/** A database that starts together with the service, as in docker-compose, needs this long at most. */
const DATABASE_START_MS = 30_000
/** A Redis that is there is connected within milliseconds. */
const REDIS_START_MS = 1_000

/** The database of the settings, or the embedded one, once it takes statements. Throws a plain Error that says why not. */
export async function reachableDatabase(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  progress: (text: string) => void,
  warn: (text: string) => void,
): Promise<Database> {
  if (config.databaseUrl === undefined) {
    // Only here: a service with a server of its own does not load a database into its memory.
    const { openEmbedded } = await import('../../internal/database/embedded.ts')
    return await openEmbedded(config.dataDir, { onProgress: progress })
  }
  const database = openDatabase(config.databaseUrl)
  const untilMs = Date.now() + DATABASE_START_MS
  for (;;) {
    const { reason, lasts } = await whyUnfit(database, warn)
    if (reason === undefined) return database
    if (lasts || Date.now() > untilMs) {
      await database.close()
      throw new Error(`the database of DATABASE_URL ${reason}`)
    }
    progress(`waiting: the database of DATABASE_URL ${reason}`)
    await sleep(1_000)
  }
}

/**
 * What is done with the database between its first response and the first request. Where it goes away meanwhile, as in a
 * restart or a failover, `work` is done again once it is back: it must be such that it can be. Rejects with what lasts, and
 * with what goes on for too long.
 */
export async function whileReachable<T>(
  work: () => Promise<T>,
  progress: (text: string) => void,
): Promise<T> {
  const untilMs = Date.now() + DATABASE_START_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isOutage(error) || isLasting(error) || Date.now() > untilMs) throw error
      progress(`waiting: the database went away: ${explainRefusal(error)}`)
      await sleep(1_000)
    }
  }
}

/** Also of a migration, whose error names it. */
function isOutage(error: unknown): boolean {
  const outage = error instanceof Error && !(error instanceof ServiceError) ? error.cause : error
  return outage instanceof ServiceError && outage.code === 'store_unavailable'
}

/** `lasts`: until an operator does something. */
async function whyUnfit(
  database: Database,
  warn: (text: string) => void,
): Promise<{ reason?: string; lasts?: boolean }> {
  try {
    const { faults, readsOnly, warnings } = await examineServer(database)
    if (faults.length > 0) return { reason: faults.join('; it '), lasts: true }
    if (readsOnly !== undefined) return { reason: readsOnly }
    for (const warning of warnings) warn(`the database ${warning}`)
    return {}
  } catch (error) {
    return { reason: `cannot be used: ${explainRefusal(error)}`, lasts: isLasting(error) }
  }
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

/** An upgrade may have made tables for which the role that serves has no rights yet; row level security may hide rows. */
export async function warnAboutRights(database: Database, logger: Logger): Promise<void> {
  const missing = await missingRights(database)
  if (missing.length > 0)
    logger.warn({ missing }, 'the role of DATABASE_URL lacks rights: run these statements as the owner')
}

/** Connected, or on the way: see there. undefined: the settings name none. */
export async function openRedis(
  config: Pick<ConfigOf<'keys'>, 'redisUrl'> & RedisTlsSettings,
  logger: Logger,
): Promise<RedisConnection | undefined> {
  if (config.redisUrl === undefined) return undefined
  const redis: RedisConnection = connectRedis(config.redisUrl, {
    tls: redisTlsOf(config),
    onState(state, cause) {
      if (state === 'lost') logger.error({ err: cause }, 'the connection to Redis is lost')
      else {
        logger.info('connected to Redis')
        void warnAboutEviction(redis, logger)
      }
    },
  })
  await connected(redis)
  const fault = await redisFault(redis, config.redisUrl, redisTlsOf(config))
  if (fault === undefined) return redis
  await redis.close()
  throw new Error(`the Redis of REDIS_URL ${fault}`)
}

/** Why the service cannot work with it, as `doctor` says it. One that is away now gives no reason. */
async function redisFault(redis: RedisConnection, url: string, tls: RedisTls): Promise<string | undefined> {
  const servers = await redis.servers().catch(() => undefined)
  if (servers === undefined) {
    const proxy = await findRedisProxy(url, tls)
    return proxy && `cannot be used: ${proxy}`
  }
  const faults = servers.flatMap(({ engine }) => {
    const fault = engine && engineFault(engine)
    return fault === undefined ? [] : [`is ${engine?.name}: ${fault}`]
  })
  return faults[0]
}

/**
 * So that the first requests do not meet a Redis that is still being connected to. One that is away does not keep
 * the service from starting: it is waited for no longer than a moment.
 */
async function connected(redis: RedisConnection): Promise<void> {
  const untilMs = Date.now() + REDIS_START_MS
  while (Date.now() < untilMs) {
    const responses = await redis.ping().then(
      () => true,
      () => false,
    )
    if (responses) return
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

/** Of one of the masters, Unix milliseconds. Rejects when one of them does not respond. */
export async function redisClockMs(redis: RedisConnection): Promise<number> {
  const [server] = await redis.servers()
  if (server === undefined) throw new Error('a Redis without a server')
  return server.clockMs
}
