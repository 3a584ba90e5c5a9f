import type { Registry } from 'prom-client'
import type { ServedRoute } from '../../internal/http/route-map.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Scrape } from './metrics-app.ts'

/** A service that listens. */
export interface Running {
  port: number
  logger: Logger
  /** Finishes what is in flight, within SHUTDOWN_GRACE, and closes everything. */
  close(): Promise<void>
  /** Reopens LOG_FILE in the worker processes. */
  reopenLogs?(): void
  /** Kills the worker processes. */
  abandon?(): void
}

/** The place of a process among several workers; empty: there is one process. */
export interface WorkerContext {
  /** From 1 on; a replacement has the number of the worker before. */
  worker?: number
  /** Where all workers listen, instead of PORT. */
  port?: number
  /** Shares the metrics of this process; returns the scrape of all workers. */
  shareMetrics?: (registry: Registry) => Scrape
}

/** The console of the primary, with its own connections. */
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
  /** Opens the console of the primary; undefined: there is none. */
  openConsole?: ((logger: Logger) => Promise<PrivateConsole>) | undefined
}

/** Exits with 0 once it is closed, with 1 if that fails. */
export function exitAfter(running: Running): void {
  void running.close().then(
    () => process.exit(0),
    () => process.exit(1),
  )
}

/** An uncaught error ends the process from now on. */
export function exitOnDefect({ logger }: Running): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'defect')
    logger.flushSync()
    process.exit(1)
  })
}
