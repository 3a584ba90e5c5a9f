import { Counter, Gauge, Registry } from 'prom-client'
import { aggregate, remains, type Snapshot, snapshotSchema } from '../../internal/telemetry/aggregate.ts'

/** For a worker that is blocked for longer, the metrics of the scrape before are used. */
const COLLECT_MS = 1_000

/** A worker. */
export interface Counted {
  readonly ready: boolean
  tell(message: { type: 'collect'; id: number }): void
}

/** The metrics of all workers, added up as if they were one process, and the number of workers. */
export class ClusterMetrics {
  readonly #registry = new Registry()
  readonly #last = new Map<Counted, Snapshot>()
  /** Called with each worker that has responded to the scrape in flight. */
  #responded: ((worker: Counted) => void) | undefined
  /** The metrics of workers that have ended, added up. */
  #remains: Promise<Snapshot> = Promise.resolve([])
  #scrape: Promise<string> | undefined
  #id = 0
  readonly #running: Gauge
  readonly #restarts: Counter

  constructor() {
    const registers = [this.#registry]
    this.#running = new Gauge({ name: 'workers_running', help: 'Worker processes that are ready', registers })
    this.#restarts = new Counter({
      name: 'worker_restarts_total',
      help: 'Worker processes that ended without being told to, and were replaced',
      registers,
    })
  }

  /** Prometheus text of these workers and of those that have ended. Concurrent calls share one scrape. */
  scrape(workers: readonly Counted[]): Promise<string> {
    this.#scrape ??= this.#collect(workers.filter(({ ready }) => ready)).finally(() => {
      this.#scrape = undefined
    })
    return this.#scrape
  }

  collected(worker: Counted, id: number, snapshot: Snapshot): void {
    this.#last.set(worker, snapshot)
    if (id === this.#id) this.#responded?.(worker)
  }

  ended(worker: Counted, replaced: boolean): void {
    if (replaced) this.#restarts.inc()
    this.#responded?.(worker)
    const last = this.#last.get(worker)
    if (last === undefined) return
    this.#last.delete(worker)
    this.#remains = this.#remains.then((before) => remains([before, last]))
  }

  async #collect(workers: readonly Counted[]): Promise<string> {
    const id = ++this.#id
    const missing = new Set(workers)
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#responded = (worker) => {
        missing.delete(worker)
        if (missing.size === 0) resolve()
      }
      timer = setTimeout(resolve, COLLECT_MS)
      if (missing.size === 0) resolve()
      for (const worker of workers) worker.tell({ type: 'collect', id })
    })
    clearTimeout(timer)
    this.#running.set(workers.length)
    const own = snapshotSchema.parse(await this.#registry.getMetricsAsJSON())
    const gone = await this.#remains
    return await aggregate([...this.#last.values(), gone, own]).metrics()
  }
}
