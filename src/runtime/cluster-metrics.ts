import { Counter, Gauge, Registry } from 'prom-client'
import { aggregate, remains, type Snapshot, snapshotSchema } from '../../internal/telemetry/aggregate.ts'

/** A worker whose event loop is blocked for longer is counted with its figures of the scrape before. */
const COLLECT_MS = 1_000

/** What it needs of a worker: whether it can respond, and a way to ask it. */
export interface Counted {
  readonly ready: boolean
  tell(message: { type: 'collect'; id: number }): void
}

/** The figures of all workers, as one process would give them, and how many workers there are. */
export class ClusterMetrics {
  readonly #registry = new Registry()
  readonly #last = new Map<Counted, Snapshot>()
  /** Of the scrape in flight: called with each worker's response. */
  #answered: ((worker: Counted) => void) | undefined
  /** Of the workers that have ended, added up. */
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

  /** Prometheus text of these workers and of all that have ended. Scrapes at the same time share one. */
  scrape(workers: readonly Counted[]): Promise<string> {
    this.#scrape ??= this.#collect(workers.filter(({ ready }) => ready)).finally(() => {
      this.#scrape = undefined
    })
    return this.#scrape
  }

  collected(worker: Counted, id: number, snapshot: Snapshot): void {
    this.#last.set(worker, snapshot)
    if (id === this.#id) this.#answered?.(worker)
  }

  ended(worker: Counted, replaced: boolean): void {
    if (replaced) this.#restarts.inc()
    this.#answered?.(worker)
    const last = this.#last.get(worker)
    if (last === undefined) return
    this.#last.delete(worker)
    this.#remains = this.#remains.then((before) => remains([before, last]))
  }

  async #collect(workers: readonly Counted[]): Promise<string> {
    const id = ++this.#id
    const owing = new Set(workers)
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#answered = (worker) => {
        owing.delete(worker)
        if (owing.size === 0) resolve()
      }
      timer = setTimeout(resolve, COLLECT_MS)
      if (owing.size === 0) resolve()
      for (const worker of workers) worker.tell({ type: 'collect', id })
    })
    clearTimeout(timer)
    this.#running.set(workers.length)
    const own = snapshotSchema.parse(await this.#registry.getMetricsAsJSON())
    const gone = await this.#remains
    return await aggregate([...this.#last.values(), gone, own]).metrics()
  }
}
