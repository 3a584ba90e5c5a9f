import type { Registry } from 'prom-client'
import type { ServedRoute } from '../../internal/http/route-map.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Scrape } from './metrics-app.ts'

/** Something that listens until it is told to stop. */
export interface Running {
  port: number
  logger: Logger
  /** Finishes what is in flight, within SHUTDOWN_GRACE, and lets go of everything. */
  close(): Promise<void>
  /** Opens LOG_FILE anew in the processes that this one has started. */
  reopenLogs?(): void
  /** Ends what would outlive this process if it exited now. */
  abandon?(): void
}

/** What a process knows of its place among others; empty: it is alone. */
export interface WorkerContext {
  /** From 1 on; a worker that takes the place of a dead one has its number. */
  worker?: number
  /** Where all workers listen, instead of PORT. */
  port?: number
  /** Gives the figures of this process to the others, and returns how to get those of all. */
  shareMetrics?: (registry: Registry) => Scrape
}

/** The console of a process that serves no requests itself, over connections of its own. */
export interface PrivateConsole {
  console: readonly ServedRoute[]
  close(): Promise<void>
}

export type Open = (context: WorkerContext) => Promise<Running>

export interface RunSettings {
  workers: number
  host: string
  port: number
  metricsPort?: number | undefined
  shutdownGraceMs: number
  logLevel: string
  logFile: string | undefined
  /** For the private listener of several workers, which is not theirs; left out: there is no console. */
  openConsole?: ((logger: Logger) => Promise<PrivateConsole>) | undefined
}

/** Exits with 0 once it is closed, with 1 if that fails. */
export function exitAfter(running: Running): void {
  void running.close().then(
    () => process.exit(0),
    () => process.exit(1),
  )
}

/** From now on a defect that was not caught ends the process. */
export function exitOnDefect({ logger }: Running): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'defect')
    logger.flushSync()
    process.exit(1)
  })
}
