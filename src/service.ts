import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, openDatabase } from '../internal/database/database.ts'
import { migrate, newerMigrations } from '../internal/database/migrate.ts'
import { connectRedis, type RedisConnection } from '../internal/database/redis.ts'
import { requireServerVersion } from '../internal/database/server-version.ts'
import { Drain } from '../internal/http/drain.ts'
import type { HealthOptions } from '../internal/http/health.ts'
import { createServer, listen } from '../internal/http/server.ts'
import { sweepExpired } from '../internal/idempotency/postgres-store.ts'
import { createLogger, type Logger } from '../internal/telemetry/logger.ts'
import { createMetrics } from '../internal/telemetry/metrics.ts'
import type { Spans } from '../internal/telemetry/spans.ts'
import type { Config } from './config.ts'
import { metricsApp } from './metrics-app.ts'
import { openClients } from './open-clients.ts'
import { SQL_DIRECTORY, VERSION } from './package-root.ts'
import { pipeline } from './pipeline.ts'
import type { Place, Running } from './running.ts'
import { describeCause, underlyingCause } from './underlying-cause.ts'

/** A database that starts together with the service, as in docker-compose, needs this long at most. */
const DATABASE_START_MS = 30_000
/** A Redis that is there is connected within milliseconds. */
const REDIS_START_MS = 1_000
const SWEEP_EVERY_MS = 60_000
/** Between the last answer and the closing of the port: under load each kept connection sees a 503 in this time. */
const FAREWELL_MS = 500
/** After the last answer: time for it to reach the client. */
const FLUSH_MS = 1_000

/** Opens every connection, brings the schema up to date and listens. Throws plain Errors for the operator. */
export async function openService(
  config: Config,
  progress: (text: string) => void,
  place: Place = {},
): Promise<Running> {
  const { worker } = place
  const logger = createLogger({ level: config.logLevel, file: config.logFile, worker })
  const spans = config.tracing ? await openSpans(logger) : undefined
  const clientsIn = openClients(config, logger)
  const database = await reachableDatabase(config, progress)
  await bringUpToDate(database, logger)
  const clients = await clientsIn(database)
  const redis = config.redisUrl === undefined ? undefined : openRedis(config.redisUrl, logger)
  if (redis !== undefined) await connected(redis)

  const drain = new Drain()
  const metrics = createMetrics()
  const scrape = place.shareMetrics?.(metrics.registry) ?? (() => metrics.registry.metrics())
  const health: HealthOptions = {
    probes: {
      database: () => database.ping(),
      ...(redis === undefined ? {} : { redis: () => redis.ping() }),
    },
    stopping: () => drain.stopping,
    version: VERSION,
  }
  const parts = { config, clients, database, redis, drain, health, logger, metrics, scrape, spans }
  const server = createServer(pipeline(parts).callback(), (reason, fault) => {
    metrics.requestsRefused.inc({ reason })
    logger.info({ reason, fault }, 'request refused')
  })
  const port = await listen(server, config.host, place.port ?? config.port)
  const metricsServer =
    config.metricsPort === undefined || worker !== undefined
      ? undefined
      : createServer(metricsApp(scrape, logger).callback())
  if (metricsServer !== undefined) await listen(metricsServer, config.host, config.metricsPort ?? 0)
  const sweeper = setInterval(() => void sweep(database, logger), SWEEP_EVERY_MS)
  if (worker === undefined || worker === 1) warnAboutSettings(config, logger)

  return {
    port,
    logger,
    async close() {
      const finished = await drain.stop(config.shutdownGraceMs)
      // Clients that keep their connections learn from a 503 with Connection: close, not from a reset.
      await sleep(Math.min(FAREWELL_MS, config.shutdownGraceMs))
      if (!finished)
        logger.warn({ under_way: drain.underWay }, 'SHUTDOWN_GRACE is over, requests are cut off')
      clearInterval(sweeper)
      await clients.close()
      await Promise.all(
        [server, metricsServer].map((one) => (one === undefined ? undefined : closeServer(one))),
      )
      await redis?.close()
      await database.close()
      await spans?.close()
      logger.info('stopped')
      logger.flushSync()
    },
  }
}

async function bringUpToDate(database: Database, logger: Logger): Promise<void> {
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

/** Loaded only where it is wanted: it is an optional dependency. */
async function openSpans(logger: Logger): Promise<Spans | undefined> {
  const { openTelemetry } = await import('../internal/telemetry/open-telemetry.ts')
  return await openTelemetry({
    version: VERSION,
    onTrouble: (reason) => logger.warn({ reason }, 'OpenTelemetry has trouble'),
  })
}

const REFUSAL = /^(28|3D)|CERT|ERR_TLS/

/** The database of the settings, or the embedded one, once it answers. */
async function reachableDatabase(config: Config, progress: (text: string) => void): Promise<Database> {
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

/** Wrong user, password or database name, or a certificate that is not accepted: waiting does not help. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && REFUSAL.test(String(error.code))
}

function openRedis(url: string, logger: Logger): RedisConnection {
  const redis: RedisConnection = connectRedis(url, {
    onState(state, cause) {
      if (state === 'lost') logger.error({ err: cause }, 'the connection to Redis is lost')
      else {
        logger.info('connected to Redis')
        void warnAboutEviction(redis, logger)
      }
    },
  })
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
  const policy = await redis.evictionPolicy()
  if (policy === undefined || policy === 'noeviction') return
  logger.warn({ policy }, 'Redis may evict idempotency records: set maxmemory-policy to noeviction')
}

function warnAboutSettings(config: Config, logger: Logger): void {
  if (config.signatureHints) {
    logger.warn('SIGNATURE_HINTS=1 is for test environments: the time of an answer tells which clients exist')
  }
  if (config.production && config.databaseUrl === undefined) {
    logger.warn(
      'without DATABASE_URL orders live in the embedded database: a power cut may cost the last seconds',
    )
  }
  if (!config.production || config.redisUrl !== undefined || config.rateLimits?.length === 0) return
  logger.warn(
    'without REDIS_URL this process counts the rate limits by itself: several services would admit more',
  )
}

async function sweep(database: Database, logger: Logger): Promise<void> {
  try {
    const removed = await sweepExpired(database)
    if (removed > 0) logger.debug({ removed }, 'forgot expired keys')
  } catch (error) {
    logger.warn({ err: error }, 'expired keys could not be removed')
  }
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), FLUSH_MS)
  await closed
  clearTimeout(timer)
}
