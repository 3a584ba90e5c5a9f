import cluster from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createServer, listen } from '../../internal/http/server.ts'
import { createLogger } from '../../internal/telemetry/logger.ts'
import type { ToPrimary } from './cluster-messages.ts'
import { ClusterMetrics } from './cluster-metrics.ts'
import { metricsApp } from './metrics-app.ts'
import type { Running, RunSettings } from './running.ts'
import { WorkerSlot } from './worker-slot.ts'

/** After SHUTDOWN_GRACE: the last responses and the closing of the stores take four seconds at most. */
const STOP_MARGIN_MS = 10_000

/**
 * The primary of several workers that share one port. It serves the private `/metrics` only, starts the workers, the
 * first one alone, and replaces those that die. Throws a plain Error if one cannot start at first.
 */
export async function openCluster(settings: RunSettings): Promise<Running> {
  const logger = createLogger({ level: settings.logLevel, file: settings.logFile, worker: 0 })
  // Structured clone: JSON has no NaN, which a gauge may hold.
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('../main.js', import.meta.url)),
    serialization: 'advanced',
  })
  const metrics = new ClusterMetrics()
  /** With PORT=0 all workers listen on port 0 and share one port; after all have ended the next ones need its number. */
  let listenOn = settings.port
  let port = settings.port

  const onMessage = (slot: WorkerSlot, message: ToPrimary) => {
    if (message.type === 'ready') port = message.port
    if (message.type === 'collected') metrics.collected(slot, message.id, message.snapshot)
    if (message.type === 'scrape') {
      const { id } = message
      void metrics.scrape(slots).then((text) => slot.tell({ type: 'scraped', id, text }))
    }
  }
  const onEnd = (slot: WorkerSlot, replaced: boolean) => {
    metrics.ended(slot, replaced)
    if (!slots.some(({ ready }) => ready)) listenOn = port
  }
  const slots = Array.from(
    { length: settings.workers },
    (_, index) => new WorkerSlot({ number: index + 1, logger, port: () => listenOn, onMessage, onEnd }),
  )
  const kill = () => {
    for (const slot of slots) slot.kill()
  }

  try {
    await slots[0]?.open()
    await Promise.all(slots.slice(1).map((slot) => slot.open()))
  } catch (error) {
    kill()
    throw error
  }
  const operating = await settings.openConsole?.(logger)
  const metricsServer =
    settings.metricsPort === undefined
      ? undefined
      : createServer(metricsApp(() => metrics.scrape(slots), logger, operating?.console).callback())
  if (metricsServer !== undefined) await listen(metricsServer, settings.host, settings.metricsPort ?? 0)

  return {
    port,
    logger,
    abandon: kill,
    reopenLogs() {
      for (const slot of slots) slot.tell({ type: 'reopen_log' })
    },
    async close() {
      const stopped = Promise.all(slots.map((slot) => slot.stop())).then(() => true)
      const deadline = new AbortController()
      const late = sleep(settings.shutdownGraceMs + STOP_MARGIN_MS, false, { signal: deadline.signal })
      const inTime = await Promise.race([stopped, late])
      deadline.abort()
      if (!inTime) {
        const pids = slots.flatMap(({ pid }) => pid ?? [])
        logger.error({ worker_pids: pids }, 'workers did not stop, they are killed')
        kill()
      }
      metricsServer?.close()
      metricsServer?.closeAllConnections()
      await operating?.close()
      logger.info('stopped')
      logger.flushSync()
      if (!inTime) throw new Error('workers did not stop')
    },
  }
}
