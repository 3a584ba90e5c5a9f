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
import { describeCause } from './underlying-cause.ts'

/** For a database that starts together with the service, as in docker-compose. */
const DATABASE_START_MS = 30_000
/** A Redis that is up is connected within milliseconds. */
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
  let isLastingFault = false
  const requireFit = async (): Promise<Database> => {
    const { reason, lasts = false } = await whyUnfit(database, warn)
    if (reason === undefined) return database
    isLastingFault = lasts
    throw new Error(`the database of DATABASE_URL ${reason}`)
  }
  try {
    return await untilItWorks(requireFit, (error) => !isLastingFault && describeCause(error), progress)
  } catch (error) {
    await database.close()
    throw error
  }
}

/**
 * For what is done with the database between its first response and the first request: `work` is repeated while the database
 * is away, as in a restart or a failover. Rejects with an error that lasts, or after 30 s.
 */
export async function whileReachable<T>(
  work: () => Promise<T>,
  progress: (text: string) => void,
): Promise<T> {
  const passing = (error: unknown) =>
    isOutage(error) && !isLasting(error) && `the database went away: ${explainRefusal(error)}`
  return await untilItWorks(work, passing, progress)
}

/** Repeats `work` every second while `passing` describes its error, for the time that a database needs to start. */
async function untilItWorks<T>(
  work: () => Promise<T>,
  passing: (error: unknown) => string | false,
  progress: (text: string) => void,
): Promise<T> {
  const untilMs = performance.now() + DATABASE_START_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const reason = passing(error)
      if (reason === false || performance.now() > untilMs) throw error
      progress(`waiting: ${reason}`)
      await sleep(1_000)
    }
  }
}

/** The error of a migration has the outage as its cause. */
function isOutage(error: unknown): boolean {
  const outage = error instanceof Error && !(error instanceof ServiceError) ? error.cause : error
  return outage instanceof ServiceError && outage.code === 'store_unavailable'
}

/** `lasts`: it needs an operator. */
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

/** Applies missing migrations. A newer database is fine, unless migrate() throws. */
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

/** An upgrade may have made tables without rights for the role of the service; row level security may hide rows. */
export async function warnAboutRights(database: Database, logger: Logger): Promise<void> {
  const missing = await missingRights(database)
  if (missing.length > 0)
    logger.warn({ missing }, 'the role of DATABASE_URL lacks rights: run these statements as the owner')
}

/** Connected, or connecting. undefined: the settings name no Redis. */
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

/** Why the service cannot work with this Redis; undefined while it is away. */
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

/** Waits for the connection, so that the first requests have it; not for long, since the service starts without Redis too. */
async function connected(redis: RedisConnection): Promise<void> {
  const untilMs = performance.now() + REDIS_START_MS
  while (performance.now() < untilMs) {
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

/** A `maxmemory-policy` of a master that may evict keys; undefined: there is none, or it cannot be read. */
export async function unsafePolicy(redis: RedisConnection): Promise<string | undefined> {
  const servers = await redis.servers().catch(() => [])
  return servers
    .map(({ evictionPolicy }) => evictionPolicy)
    .find((one) => one !== undefined && one !== 'noeviction')
}

/** The clock of a master, Unix milliseconds. Rejects when one of them does not respond. */
export async function redisClockMs(redis: RedisConnection): Promise<number> {
  const [server] = await redis.servers()
  if (server === undefined) throw new Error('a Redis without a server')
  return server.clockMs
}
