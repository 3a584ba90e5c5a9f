import cluster from 'node:cluster'
import type { Registry } from 'prom-client'
import { snapshotSchema } from '../../internal/telemetry/aggregate.ts'
import { parseToWorker, type ToPrimary } from './cluster-messages.ts'
import type { Scrape } from './metrics-app.ts'
import { operatorMessage } from './operator-message.ts'
import { exitAfter, exitOnDefect, type Open, type Running } from './running.ts'

/** The primary responds within its own deadline for stuck workers; one that does not is gone or stuck itself. */
const SCRAPE_MS = 5_000

/**
 * One of several processes that share a port. It starts when the primary says so, and stops when the primary says so,
 * on a signal of its own, or when the primary is gone: no process would restart it or pass it connections.
 */
export async function runWorker(open: Open): Promise<void> {
  let running: Running | undefined
  let stopping = false
  const stop = () => {
    if (running === undefined) process.exit(0)
    // A signal may reach all processes at once while the primary says the same.
    if (stopping) return
    stopping = true
    exitAfter(running)
  }
  // A terminal that goes tells all processes: whether they stop is for the primary to say.
  process
    .on('SIGTERM', stop)
    .on('SIGINT', stop)
    .on('SIGHUP', () => {})
  cluster.worker?.once('disconnect', () => {
    // Otherwise Node ends this process here and now, with the requests in flight.
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true
    running?.logger.warn('the primary is gone')
    stop()
  })

  const metrics = sharedMetrics()
  const { worker, port } = await new Promise<{ worker: number; port: number }>((resolve) => {
    process.on('message', (unparsed) => {
      const message = parseToWorker(unparsed)
      if (message?.type === 'start') resolve(message)
      if (message?.type === 'stop') stop()
      if (message?.type === 'reopen_log') running?.logger.reopen()
      if (message?.type === 'collect') void metrics.response(message.id)
      if (message?.type === 'scraped') metrics.scraped(message.id, message.text)
    })
    void tell({ type: 'hello' })
  })
  try {
    running = await open({ worker, port, shareMetrics: metrics.share })
  } catch (error) {
    await tell({ type: 'failed', reason: operatorMessage(error) })
    process.exit(1)
  }
  exitOnDefect(running)
  await tell({ type: 'ready', port: running.port })
}

/** Resolves when the message is out, or cannot get out. */
async function tell(message: ToPrimary): Promise<void> {
  await new Promise<void>((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}

function sharedMetrics() {
  let registry: Registry | undefined
  let lastId = 0
  const waiting = new Map<number, (text: string) => void>()

  const scrape: Scrape = async () => {
    const id = ++lastId
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<string>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error('the primary does not respond')), SCRAPE_MS)
        waiting.set(id, resolve)
        void tell({ type: 'scrape', id })
      })
    } finally {
      clearTimeout(timer)
      waiting.delete(id)
    }
  }
  return {
    share(own: Registry): Scrape {
      registry = own
      return scrape
    },
    async response(id: number): Promise<void> {
      const snapshot = snapshotSchema.parse((await registry?.getMetricsAsJSON()) ?? [])
      await tell({ type: 'collected', id, snapshot })
    },
    scraped(id: number, text: string): void {
      waiting.get(id)?.(text)
    },
  }
}
