import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { Logger } from '../../internal/telemetry/logger.ts'
import { OWN_WORKER } from '../config/own-worker.ts'
import { parseToPrimary, type ToPrimary, type ToWorker } from './cluster-messages.ts'

export interface SlotOptions {
  /** From 1 on. */
  number: number
  logger: Logger
  /** The port for a worker that starts now. */
  port: () => number
  onMessage: (slot: WorkerSlot, message: ToPrimary) => void
  /** `replaced`: it died, and another one will be started. */
  onEnd: (slot: WorkerSlot, replaced: boolean) => void
}

const FIRST_MS = 100
const LAST_MS = 30_000
/** A worker that was ready for so long did not die of its start. */
const HEALTHY_MS = 60_000

/** When to replace a worker that died, ready for `livedMs`, after `deathsInRow` others: the delay grows with each death. */
export function restartDelayMs(
  deathsInRow: number,
  livedMs: number,
): { delayMs: number; deathsInRow: number } {
  const before = livedMs >= HEALTHY_MS ? 0 : deathsInRow
  return { delayMs: Math.min(FIRST_MS * 2 ** before, LAST_MS), deathsInRow: before + 1 }
}

/** The place of one worker. A worker that dies is replaced, until stop(). */
export class WorkerSlot {
  readonly #options: SlotOptions
  #worker: Worker | undefined
  #readySinceMs: number | undefined
  #deathsInRow = 0
  #restart: NodeJS.Timeout | undefined
  #stopping = false

  constructor(options: SlotOptions) {
    this.#options = options
  }

  get ready(): boolean {
    return this.#readySinceMs !== undefined
  }

  get pid(): number | undefined {
    return this.#worker?.process.pid
  }

  /** Starts the first worker. Rejects with a plain Error if it ends before it is ready; it is not replaced then. */
  async open(): Promise<void> {
    this.#stopping = true
    await this.#start()
    this.#stopping = false
  }

  tell(message: ToWorker): void {
    // A worker that has just died gets no message; its exit event follows.
    if (this.#worker?.isConnected()) this.#worker.send(message, () => {})
  }

  /** Resolves when its worker has ended. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restart)
    if (this.#worker === undefined) return
    const ended = once(this.#worker, 'exit')
    this.tell({ type: 'stop' })
    await ended
  }

  kill(): void {
    this.#stopping = true
    this.#worker?.process.kill('SIGKILL')
  }

  async #start(): Promise<void> {
    const { number, logger, port, onMessage } = this.#options
    const worker = cluster.fork(OWN_WORKER)
    this.#worker = worker
    let reason: string | undefined
    const isReady = new Promise<void>((resolve, reject) => {
      worker.on('message', (unparsed) => {
        const message = parseToPrimary(unparsed)
        if (message === undefined) return
        if (message.type === 'hello') this.tell({ type: 'start', worker: number, port: port() })
        if (message.type === 'failed') reason = message.reason
        if (message.type === 'ready') this.#readySinceMs = performance.now()
        onMessage(this, message)
        if (message.type === 'ready') {
          logger.info({ worker: number, worker_pid: worker.process.pid }, 'a worker is ready')
          resolve()
        }
      })
      worker.once('exit', (code: number, signal: string | null) => {
        reason ??= `a worker ended with ${signal ?? `exit code ${code}`}`
        this.#ended(reason)
        reject(new Error(reason))
      })
    })
    await isReady
  }

  #ended(reason: string): void {
    const { number, logger, onEnd } = this.#options
    const pid = this.pid
    const livedMs = this.#readySinceMs === undefined ? 0 : performance.now() - this.#readySinceMs
    this.#worker = undefined
    this.#readySinceMs = undefined
    onEnd(this, !this.#stopping)
    if (this.#stopping) return
    const { delayMs, deathsInRow } = restartDelayMs(this.#deathsInRow, livedMs)
    this.#deathsInRow = deathsInRow
    logger.error(
      { worker: number, worker_pid: pid, reason, lived_ms: Math.round(livedMs), restart_in_ms: delayMs },
      'a worker ended',
    )
    // An error at its start is reported by its exit event.
    this.#restart = setTimeout(() => void this.#start().catch(() => {}), delayMs)
  }
}
