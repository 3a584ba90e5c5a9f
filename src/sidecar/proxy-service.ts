import { Gauge, type Registry } from 'prom-client'
import { keptLook } from '../../internal/core/kept-look.ts'
import type { Database } from '../../internal/database/database.ts'
import { PLAIN_PREFIX } from '../../internal/database/deployment.ts'
import { rehearseDatabase, rehearseRedis } from '../../internal/database/rehearse.ts'
import { Drain } from '../../internal/http/drain.ts'
import { createServer, listen } from '../../internal/http/server.ts'
import type { KeyRecords } from '../../internal/idempotency/key-records.ts'
import { Sweeper } from '../../internal/idempotency/sweeper.ts'
import { Backend } from '../../internal/proxy/backend.ts'
import { countRefusals, healthBy, openInstruments } from '../runtime/instruments.ts'
import { keyRecords } from '../runtime/key-engine.ts'
import { clientLimits, openLimiter } from '../runtime/limits.ts'
import { openClients, openSettingsClients } from '../runtime/open-clients.ts'
import { bringUpToDate, openRedis, reachableDatabase, whileReachable } from '../runtime/open-stores.ts'
import { refuseForgetting, withRedisPrefix } from '../runtime/redis-prefix.ts'
import type { Running, WorkerContext } from '../runtime/running.ts'
import { closeServers, finishRequests } from '../runtime/stop-serving.ts'
import type { ProxyConfig } from './proxy-config.ts'
import { adminApp, proxyListener } from './proxy-pipeline.ts'

/** The longest upload without a key. */
const UPLOAD_TIMEOUT_MS = 3_600_000

/** Opens the store, migrates a database, and listens. */
export async function openProxy(
  proxy: ProxyConfig,
  progress: (text: string) => void,
  context: WorkerContext = {},
): Promise<Running> {
  const { settings } = proxy
  const instruments = await openInstruments(settings, context)
  const { logger, metrics, scrape, spans } = instruments
  const keysInRedis = settings.idempotencyStore === 'redis'
  const clientsInTable = proxy.verify && settings.databaseUrl !== undefined
  const database =
    keysInRedis && !clientsInTable
      ? undefined
      : await reachableDatabase(settings, progress, (text) => logger.warn(text))
  const config = await whileReachable(async () => {
    if (database !== undefined) await bringUpToDate(database, logger)
    return await withRedisPrefix(settings, database)
  }, progress)
  const redis = await openRedis(config, logger)
  if (redis !== undefined && keysInRedis && settings.redisPrefix === undefined)
    await refuseForgetting(redis, config)
  const clients = !proxy.verify
    ? undefined
    : database === undefined
      ? openSettingsClients(config, (result) => logger.info({ result }, 'CLIENTS_FILE was read again'))
      : await openReachableClients(database)
  // The settings are read once, however often the table is tried.
  async function openReachableClients(of: Database) {
    const clientsIn = openClients(config, logger)
    return await whileReachable(() => clientsIn(of), progress)
  }

  const drain = new Drain()
  watchUnknownKeys(metrics.registry, keyRecords({ config, database, redis }))
  const backend = new Backend({
    target: proxy.target,
    trustProxy: config.trustProxy,
    preserveHost: proxy.preserveHost,
    callerHeader: proxy.caller?.kind === 'header' ? proxy.caller.name : undefined,
    connectTimeoutMs: proxy.connectTimeoutMs,
    keepAlive: proxy.keepAlive,
    timeoutMs: proxy.timeoutMs,
    onOutcome: (outcome, seconds) => metrics.upstreamDuration.add({ outcome }, seconds),
  })
  const probes = {
    ...(database === undefined
      ? {}
      : { database: () => (keysInRedis ? database.ping() : rehearseDatabase(database, 'keys')) }),
    ...(redis === undefined ? {} : { redis: () => rehearseRedis(redis, config.redisPrefix ?? PLAIN_PREFIX) }),
  }
  const health = healthBy(probes, drain, logger)
  const limiter = openLimiter({ config, redis, logger })
  const ownLimits = clients === undefined ? undefined : clientLimits(clients, logger)
  const { operatorToken: token } = config
  const operating =
    token === undefined
      ? undefined
      : // Loaded only where it is served.
        (await import('./sidecar-console.ts')).openSidecarConsole(token, {
          config,
          proxy,
          database,
          redis,
          logger,
          limiter,
          ownLimits,
        })
  const dependencies = {
    proxy,
    config,
    clients,
    backend,
    database,
    redis,
    drain,
    health,
    logger,
    metrics,
    scrape,
    spans,
    limiter,
    ownLimits,
    console: operating?.routes ?? [],
    traffic: operating?.traffic,
  }
  const server = createServer(proxyListener(dependencies), {
    requestTimeoutMs: UPLOAD_TIMEOUT_MS,
    onRefused: countRefusals(instruments),
  })
  const port = await listen(server, config.host, context.port ?? config.port)
  const adminServer =
    proxy.adminPort === undefined ? undefined : createServer(adminApp(dependencies).callback())
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
      await operating?.close()
      await backend.close()
      await redis?.close()
      await database?.close()
      await spans?.close()
      logger.info('stopped')
      logger.flushSync()
    },
  }
}

/** In Redis a look scans all keys: it ends after this time. */
const LOOK_MS = 3_000
/** The result is kept KEEP_TIMES as long as the look took, and at least MIN_KEEP_MS. */
const KEEP_TIMES = 50
const MIN_KEEP_MS = 15_000

/** A gauge of the keys with an unknown outcome. They are counted when the metrics are read, one look at a time. */
function watchUnknownKeys(registry: Registry, records: Pick<KeyRecords, 'list'>): void {
  // NaN while the store is away: 0 would look like good news.
  const unknown = keptLook(() => countUnknown(records).catch(() => Number.NaN), KEEP_TIMES, MIN_KEEP_MS)
  new Gauge({
    name: 'idempotency_keys_unknown',
    help: 'Keys in the store whose outcome is not known, at least; NaN while the store is away',
    // Several processes count the same keys.
    aggregator: 'max',
    registers: [registry],
    async collect() {
      this.set(await unknown.look())
    },
  })
}

async function countUnknown(records: Pick<KeyRecords, 'list'>): Promise<number> {
  const untilMs = performance.now() + LOOK_MS
  let count = 0
  for await (const _ of records.list({ state: 'unknown' })) {
    count++
    if (performance.now() > untilMs) break
  }
  return count
}
