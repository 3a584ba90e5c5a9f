import { randomUUID } from 'node:crypto'
import { auditLog } from '../../internal/audit/audit-log.ts'
import { Observations } from '../../internal/audit/observations.ts'
import type { Database } from '../../internal/database/database.ts'
import { DatabaseClock } from '../../internal/database/database-clock.ts'
import { PLAIN_PREFIX } from '../../internal/database/deployment.ts'
import { rehearseDatabase, rehearseRedis } from '../../internal/database/rehearse.ts'
import { resumeEvents } from '../../internal/events/event-log.ts'
import { Drain } from '../../internal/http/drain.ts'
import { createServer, listen } from '../../internal/http/server.ts'
import { Sweeper } from '../../internal/idempotency/sweeper.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import { watchStores } from '../../internal/telemetry/watch-stores.ts'
import type { Config } from '../config/config.ts'
import { VERSION } from '../package-root.ts'
import { countRefusals, healthBy, openInstruments } from '../runtime/instruments.ts'
import { clientLimits, openLimiter } from '../runtime/limits.ts'
import { metricsApp } from '../runtime/metrics-app.ts'
import { openClients } from '../runtime/open-clients.ts'
import {
  bringUpToDate,
  openRedis,
  reachableDatabase,
  redisClockMs,
  unsafePolicy,
  warnAboutRights,
  whileReachable,
} from '../runtime/open-stores.ts'
import { withRedisPrefix } from '../runtime/redis-prefix.ts'
import type { Running, WorkerContext } from '../runtime/running.ts'
import { closeServers, finishRequests } from '../runtime/stop-serving.ts'
import { openConsole } from './console.ts'
import { completer, openGateway } from './payments.ts'
import { pipeline } from './pipeline.ts'
import { deliverer } from './webhooks.ts'

/** For a database that is away; entries that are not written by then are counted as lost. */
const AUDIT_CLOSE_MS = 3_000

/** Opens every connection, brings the schema up to date and listens. Throws plain Errors for the operator. */
export async function openService(
  settings: Config,
  progress: (text: string) => void,
  context: WorkerContext = {},
): Promise<Running> {
  const { worker } = context
  const instruments = await openInstruments(settings, context)
  const { logger, metrics, scrape, spans } = instruments
  const clientsIn = openClients(settings, logger)
  const database = await reachableDatabase(settings, progress, (text) => logger.warn(text))
  const { config, clients } = await whileReachable(async () => {
    await bringUpToDate(database, logger)
    if (await resumeEvents(database))
      logger.info('the database was restored: events go on behind its last one')
    await warnAboutRights(database, logger)
    const config = await withRedisPrefix(settings, database)
    return { config, clients: await clientsIn(database) }
  }, progress)
  const clock = await whileReachable(() => DatabaseClock.open(() => database.clockMs()), progress)
  const redis = await openRedis(config, logger)

  const drain = new Drain()
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
  const probes = {
    database: () => rehearseDatabase(database, 'orders'),
    ...(redis === undefined ? {} : { redis: () => rehearseRedis(redis, config.redisPrefix ?? PLAIN_PREFIX) }),
  }
  const health = healthBy(probes, drain, logger)
  const gateway = openGateway(config, logger, metrics)
  const observations = openObservations(database, logger, metrics)
  const limiter = openLimiter({ config, redis, logger })
  const ownLimits = clientLimits(clients, logger)
  const operating = openConsole({ config, database, redis, limiter, ownLimits, metrics, logger })
  const stores = { clients, database, now: clock.now, redis, gateway, observations, limiter, ownLimits }
  const dependencies = { config, ...stores, drain, health, logger, metrics, scrape, spans, ...operating }
  const server = createServer(pipeline(dependencies).callback(), { onRefused: countRefusals(instruments) })
  const port = await listen(server, config.host, context.port ?? config.port)
  const metricsServer =
    config.metricsPort === undefined || worker !== undefined
      ? undefined
      : createServer(metricsApp(scrape, logger, operating.console).callback())
  if (metricsServer !== undefined) await listen(metricsServer, config.host, config.metricsPort ?? 0)
  const sweeper = new Sweeper(database, {
    onRemoved: (removed) => logger.debug({ removed }, 'forgot expired keys'),
    onError: (error) => logger.warn({ err: error }, 'expired keys could not be removed'),
  })
  const completing = completer(dependencies)
  const delivering = deliverer(dependencies)
  if (worker === undefined || worker === 1) warnAboutSettings(config, logger)

  return {
    port,
    logger,
    async close() {
      await finishRequests(drain, config.shutdownGraceMs, logger)
      await operating.close()
      await sweeper.stop()
      await completing.close()
      await delivering.close()
      clock.close()
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

function warnAboutSettings(config: Config, logger: Logger): void {
  const { production } = config
  const isCountedAlone = config.redisUrl === undefined && config.rateLimits?.length !== 0
  const warnings = [
    config.signatureHints &&
      'SIGNATURE_HINTS=1 is for test environments: the time of a response tells which clients exist',
    production &&
      config.databaseUrl === undefined &&
      'without DATABASE_URL orders live in the embedded database: a power cut may cost the last seconds',
    production &&
      config.gatewayUrl === undefined &&
      'without GATEWAY_URL payments are simulated: nothing is charged',
    production &&
      config.simulatedFailureRate > 0 &&
      'SIMULATED_FAILURE_RATE is set: requests to /pay fail on purpose',
    production &&
      isCountedAlone &&
      'without REDIS_URL this process counts the rate limits by itself: several services would admit more',
  ]
  for (const warning of warnings) if (warning !== false) logger.warn(warning)
}

/** Writes observations into the audit trail; to be closed before the database. */
function openObservations(database: Database, logger: Logger, metrics: Metrics): Observations {
  const observations = new Observations({
    append: auditLog(database).append,
    now: Date.now,
    newId: randomUUID,
    onLost(count, why, cause) {
      metrics.auditEntriesLost.inc(count)
      logger.error({ count, why, err: cause }, 'entries of the audit trail are lost')
    },
  })
  observations.start()
  return observations
}
