import { migrate } from '../internal/database/migrate.ts'
import { Drain } from '../internal/http/drain.ts'
import type { HealthOptions } from '../internal/http/health.ts'
import { createServer, listen } from '../internal/http/server.ts'
import { Sweeper } from '../internal/idempotency/sweeper.ts'
import { createLogger, type Logger } from '../internal/telemetry/logger.ts'
import { createMetrics } from '../internal/telemetry/metrics.ts'
import { watchStores } from '../internal/telemetry/watch-stores.ts'
import type { Config } from './config.ts'
import { openClients } from './open-clients.ts'
import { openGateway } from './open-gateway.ts'
import { openObservations } from './open-observations.ts'
import { openRedis, reachableDatabase } from './open-stores.ts'
import { SQL_DIRECTORY, VERSION } from './package-root.ts'
import { completer, metricsApp, pipeline } from './pipeline.ts'
import { closeServers, finishRequests } from './stop-serving.ts'

export interface Service {
  port: number
  logger: Logger & { flushSync: () => void }
  /** Finishes what is under way, within `shutdownGraceMs`, and lets go of everything. */
  close(): Promise<void>
}

/** A stop must not wait longer for a database that is away: what is left of the audit trail is counted as lost. */
const AUDIT_CLOSE_MS = 3_000

/** Opens every connection, brings the schema up to date and listens. Throws plain Errors for the operator. */
export async function openService(config: Config, progress: (text: string) => void): Promise<Service> {
  const logger = createLogger({ level: config.logLevel, file: config.logFile })
  const clientsIn = openClients(config, logger)
  const database = await reachableDatabase(config, progress)
  const applied = await migrate(database, SQL_DIRECTORY)
  if (applied.length > 0) logger.info({ applied }, 'migrated')
  const clients = await clientsIn(database)
  const redis = config.redisUrl === undefined ? undefined : await openRedis(config.redisUrl, logger)

  const drain = new Drain()
  const metrics = createMetrics()
  metrics.buildInfo.set({ version: VERSION }, 1)
  watchStores(metrics.registry, {
    stores: {
      database: { clockMs: () => database.clockMs() },
      ...(redis === undefined ? {} : { redis: { clockMs: async () => (await redis.server()).clockMs } }),
    },
    databaseLoad: () => database.load(),
    ...(redis === undefined ? {} : { evictionPolicy: () => redis.evictionPolicy() }),
    now: Date.now,
  })
  const health: HealthOptions = {
    probes: {
      database: () => database.ping(),
      ...(redis === undefined ? {} : { redis: () => redis.ping() }),
    },
    stopping: () => drain.stopping,
    version: VERSION,
  }
  const gateway = openGateway(config, logger, metrics)
  const observations = openObservations(database, logger, metrics)
  const parts = { config, clients, database, redis, gateway, observations, drain, health, logger, metrics }
  const server = createServer(pipeline(parts).callback())
  const port = await listen(server, config.host, config.port)
  const metricsServer =
    config.metricsPort === undefined ? undefined : createServer(metricsApp(parts).callback())
  if (metricsServer !== undefined) await listen(metricsServer, config.host, config.metricsPort ?? 0)
  const sweeper = new Sweeper(database, {
    onRemoved: (removed) => logger.debug({ removed }, 'forgot expired keys'),
    onError: (error) => logger.warn({ err: error }, 'expired keys could not be removed'),
  })
  const completing = completer(parts)
  warnAboutSettings(config, logger)

  return {
    port,
    logger,
    async close() {
      await finishRequests(drain, config.shutdownGraceMs, logger)
      await sweeper.stop()
      await completing.close()
      await clients.close()
      await closeServers(server, metricsServer)
      gateway.close()
      await observations.close(AUDIT_CLOSE_MS)
      await redis?.close()
      await database.close()
      logger.info('stopped')
      logger.flushSync()
    },
  }
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
  if (config.production && config.gatewayUrl === undefined) {
    logger.warn('without GATEWAY_URL payments are simulated: nobody is charged')
  }
  if (config.production && config.simulatedFailureRate > 0) {
    logger.warn('SIMULATED_FAILURE_RATE is set: requests to /pay fail on purpose')
  }
  if (!config.production || config.redisUrl !== undefined || config.rateLimits?.length === 0) return
  logger.warn(
    'without REDIS_URL this process counts the rate limits by itself: several services would admit more',
  )
}
