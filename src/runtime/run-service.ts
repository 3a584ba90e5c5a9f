import cluster from 'node:cluster'
import { setFlagsFromString } from 'node:v8'
import { isOwnWorker } from '../config/own-worker.ts'
import { exitAfter, exitOnDefect, type Running, type RunSettings, type WorkerContext } from './running.ts'

/**
 * Signals within this time are one. Ctrl-C reaches all processes of a terminal, and systemd and other supervisors send SIGTERM
 * to all processes of a service: npm, where it runs this one, passes its own on. systemd may add a SIGHUP.
 */
export const SAME_SIGNAL_MS = 250

/**
 * Opens a service in this or in WORKERS processes. It runs until SIGTERM or SIGINT, finishes what is in flight and exits
 * with 0; a second signal after SAME_SIGNAL_MS exits at once. SIGHUP reopens LOG_FILE; without LOG_FILE it stops the service.
 * Throws a plain Error in a worker of the cluster of another program.
 */
export async function runService(
  settings: RunSettings,
  open: (progress: (text: string) => void, context: WorkerContext) => Promise<Running>,
  banner: (port: number) => string,
): Promise<void> {
  // By default the heap may grow to four times the live objects. Requests leave almost nothing there, so that a lower
  // limit costs nothing: 148 MiB resident after 100,000 requests, and 153 with 50.
  setFlagsFromString('--heap-growing-percent=30')
  const progress = (text: string) => process.stderr.write(`oncekey: ${text}\n`)
  if (cluster.isWorker) {
    if (!isOwnWorker())
      throw new Error(
        'this process is a worker of the cluster of another program, such as PM2 in cluster mode: its metrics would be of one worker, ' +
          'another one at each scrape. Start it as a process of its own (PM2: exec_mode "fork") and set WORKERS for several processes',
      )
    const { runWorker } = await import('./cluster-worker.ts')
    return await runWorker((context) => open(progress, context))
  }
  let service: Running | undefined
  let stoppingSinceMs: number | undefined
  const stop = (signal: NodeJS.Signals) => {
    if (stoppingSinceMs !== undefined) {
      if (performance.now() - stoppingSinceMs < SAME_SIGNAL_MS) return
      service?.abandon?.()
      process.exit(1)
    }
    // Before it is ready nothing is in flight, and migrations are atomic.
    if (service === undefined) process.exit(0)
    stoppingSinceMs = performance.now()
    service.logger.info({ signal }, 'stopping')
    exitAfter(service)
  }
  process.on('SIGTERM', stop).on('SIGINT', stop)
  const reopen = () => {
    service?.logger.reopen()
    service?.reopenLogs?.()
  }
  let isLogMoved = false
  process.on('SIGHUP', (signal) => {
    if (settings.logFile === undefined) return stop(signal)
    isLogMoved = true
    reopen()
  })
  service =
    settings.workers > 1
      ? await (await import('./cluster.ts')).openCluster(settings)
      : await open(progress, {})
  // SIGHUP came before the service, and its log, was open.
  if (isLogMoved) reopen()
  const { logger, port } = service
  process.stderr.write(banner(port))
  logger.info({ port, ready_after_ms: Math.round(process.uptime() * 1000) }, 'ready')
  exitOnDefect(service)
}
