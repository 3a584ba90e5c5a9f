import cluster from 'node:cluster'
import { exitAfter, exitOnDefect, type Open, type Running, type RunSettings } from './running.ts'

/** Ctrl-C reaches all processes of a terminal, and npm passes its own on to us: within this time that is one wish. */
const SAME_KEY_PRESS_MS = 250

/**
 * Runs what `open` opens, in this process or in as many as WORKERS says, until SIGTERM or SIGINT; then finishes what is
 * under way and exits with 0. A second signal exits at once, with 1. `announce` is called once, when all are ready.
 * Throws what `open` throws, with several processes as a plain Error.
 */
export async function run(
  settings: RunSettings,
  open: Open,
  announce: (port: number) => void,
): Promise<void> {
  if (cluster.isWorker) {
    const { runWorker } = await import('./cluster-worker.ts')
    await runWorker(open)
    return
  }
  let running: Running | undefined
  let stoppingSinceMs: number | undefined
  const stop = (signal: NodeJS.Signals) => {
    if (stoppingSinceMs !== undefined) {
      if (signal === 'SIGINT' && performance.now() - stoppingSinceMs < SAME_KEY_PRESS_MS) return
      running?.abandon?.()
      process.exit(1)
    }
    // Before it is ready there is nothing under way: the schema and the embedded database are made in whole steps.
    if (running === undefined) process.exit(0)
    stoppingSinceMs = performance.now()
    running.logger.info({ signal }, 'stopping')
    exitAfter(running)
  }
  process.on('SIGTERM', stop).on('SIGINT', stop)
  running = settings.workers > 1 ? await openWorkers(settings) : await open({})
  const { logger, port } = running
  announce(port)
  logger.info({ port, ready_after_ms: Math.round(process.uptime() * 1000) }, 'ready')
  exitOnDefect(running)
}

async function openWorkers(settings: RunSettings): Promise<Running> {
  const { openCluster } = await import('./cluster.ts')
  return await openCluster(settings)
}
