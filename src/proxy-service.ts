import { Drain } from '../internal/http/drain.ts'
import type { HealthOptions } from '../internal/http/health.ts'
import { createServer, listen } from '../internal/http/server.ts'
import { Sweeper } from '../internal/idempotency/sweeper.ts'
import { Backend } from '../internal/proxy/backend.ts'
import { createLogger } from '../internal/telemetry/logger.ts'
import { createMetrics } from '../internal/telemetry/metrics.ts'
import { openClients, openSettingsClients } from './open-clients.ts'
import { bringUpToDate, openRedis, reachableDatabase } from './open-stores.ts'
import { VERSION } from './package-root.ts'
import type { ProxyConfig } from './proxy-config.ts'
import { adminApp, proxyListener } from './proxy-pipeline.ts'
import type { Place, Running } from './running.ts'
import { closeServers, finishRequests } from './stop-serving.ts'

/** Uploads without a key stream for as long as they like; one that comes for longer than this is stuck. */
const UPLOAD_TIMEOUT_MS = 3_600_000

/** Opens the store, brings its schema up to date where it is a database, and listens. */
export async function openProxy(
  proxy: ProxyConfig,
  progress: (text: string) => void,
  place: Place = {},
): Promise<Running> {
  const { settings: config } = proxy
  const logger = createLogger({ level: config.logLevel, file: config.logFile, worker: place.worker })
  const keysInRedis = config.idempotencyStore === 'redis'
  const clientsInTable = proxy.verify && config.databaseUrl !== undefined
  const database = keysInRedis && !clientsInTable ? undefined : await reachableDatabase(config, progress)
  if (database !== undefined) await bringUpToDate(database, logger)
  const redis = config.redisUrl === undefined ? undefined : await openRedis(config.redisUrl, logger)
  const clients = !proxy.verify
    ? undefined
    : database === undefined
      ? openSettingsClients(config, (result) => logger.info({ result }, 'CLIENTS_FILE was read again'))
      : await openClients(config, logger)(database)

  const drain = new Drain()
  const metrics = createMetrics()
  const scrape = place.shareMetrics?.(metrics.registry) ?? (() => metrics.registry.metrics())
  const backend = new Backend({
    target: proxy.target,
    trustProxy: config.trustProxy,
    clientHeader: proxy.clientHeader,
    connectTimeoutMs: proxy.connectTimeoutMs,
    timeoutMs: proxy.timeoutMs,
    onOutcome: (outcome, seconds) => metrics.upstreamDuration.add({ outcome }, seconds),
  })
  const health: HealthOptions = {
    probes: {
      ...(database === undefined ? {} : { database: () => database.ping() }),
      ...(redis === undefined ? {} : { redis: () => redis.ping() }),
    },
    stopping: () => drain.stopping,
    version: VERSION,
  }
  const parts = { proxy, config, clients, backend, database, redis, drain, health, logger, metrics, scrape }
  const server = createServer(proxyListener(parts), {
    requestTimeoutMs: UPLOAD_TIMEOUT_MS,
    onRefused(reason, fault) {
      metrics.requestsRefused.inc({ reason })
      logger.info({ reason, fault }, 'request refused')
    },
  })
  const port = await listen(server, config.host, place.port ?? config.port)
  const adminServer = proxy.adminPort === undefined ? undefined : createServer(adminApp(parts).callback())
  if (adminServer !== undefined) await listen(adminServer, config.host, proxy.adminPort ?? 0)

  const sweeper =
    database === undefined || keysInRedis
      ? undefined
      : new Sweeper(database, {
          onError: (error) => logger.warn({ err: error }, 'expired keys could not be removed'),
        })

  return {
    port,
    logger,
    async close() {
      await finishRequests(drain, config.shutdownGraceMs, logger)
      await sweeper?.stop()
      await clients?.close()
      await closeServers(server, adminServer)
      await backend.close()
      await redis?.close()
      await database?.close()
      logger.info('stopped')
      logger.flushSync()
    },
  }
}
