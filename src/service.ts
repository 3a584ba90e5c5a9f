import { Drain } from '../internal/http/drain.ts'
import type { HealthOptions } from '../internal/http/health.ts'
import { createServer, listen } from '../internal/http/server.ts'
import { Sweeper } from '../internal/idempotency/sweeper.ts'
import { createLogger, type Logger } from '../internal/telemetry/logger.ts'
import { createMetrics } from '../internal/telemetry/metrics.ts'
import type { Spans } from '../internal/telemetry/spans.ts'
import { watchStores } from '../internal/telemetry/watch-stores.ts'
import type { Config } from './config.ts'
import { openConsole } from './console.ts'
import { openLimiter } from './limits.ts'
import { metricsApp } from './metrics-app.ts'
import { openClients } from './open-clients.ts'
import { openGateway } from './open-gateway.ts'
import { openObservations } from './open-observations.ts'
import { bringUpToDate, openRedis, reachableDatabase, redisClockMs, unsafePolicy } from './open-stores.ts'
import { VERSION } from './package-root.ts'
import { completer, pipeline } from './pipeline.ts'
import type { Place, Running } from './running.ts'
import { closeServers, finishRequests } from './stop-serving.ts'

/** A stop must not wait longer for a database that is away: what is left of the audit trail is counted as lost. */
const AUDIT_CLOSE_MS = 3_000

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
  const redis = config.redisUrl === undefined ? undefined : await openRedis(config.redisUrl, logger)

  const drain = new Drain()
  const metrics = createMetrics()
  const scrape = place.shareMetrics?.(metrics.registry) ?? (() => metrics.registry.metrics())
  metrics.buildInfo.set({ version: VERSION }, 1)
  watchStores(metrics.registry, {
    stores: {
      database: { clockMs: () => database.clockMs() },
      ...(redis === undefined ? {} : { redis: { clockMs: () => redisClockMs(redis) } }),
    },
    databaseLoad: () => database.load(),
    ...(redis === undefined ? {} : { evictionPolicy: () => unsafePolicy(redis) }),
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
  const limiter = openLimiter({ config, redis, logger })
  const operating = openConsole({ config, database, redis, limiter, metrics, logger })
  const stores = { clients, database, redis, gateway, observations, limiter }
  const parts = { config, ...stores, drain, health, logger, metrics, scrape, spans, ...operating }
  const server = createServer(pipeline(parts).callback(), {
    onRefused(reason, fault) {
      metrics.requestsRefused.inc({ reason })
      logger.info({ reason, fault }, 'request refused')
    },
  })
  const port = await listen(server, config.host, place.port ?? config.port)
  const metricsServer =
    config.metricsPort === undefined || worker !== undefined
      ? undefined
      : createServer(metricsApp(scrape, logger, operating.console).callback())
  if (metricsServer !== undefined) await listen(metricsServer, config.host, config.metricsPort ?? 0)
  const sweeper = new Sweeper(database, {
    onRemoved: (removed) => logger.debug({ removed }, 'forgot expired keys'),
    onError: (error) => logger.warn({ err: error }, 'expired keys could not be removed'),
  })
  const completing = completer(parts)
  if (worker === undefined || worker === 1) warnAboutSettings(config, logger)

  return {
    port,
    logger,
    async close() {
      await finishRequests(drain, config.shutdownGraceMs, logger)
      await operating.close()
      await sweeper.stop()
      await completing.close()
      await clients.close()
      await closeServers(server, metricsServer)
      gateway.close()
      await observations.close(AUDIT_CLOSE_MS)
      await redis?.close()
      await database.close()
      await spans?.close()
      logger.info('stopped')
      logger.flushSync()
    },
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
