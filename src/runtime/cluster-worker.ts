import cluster from 'node:cluster'
import type { Registry } from 'prom-client'
import { storeUnavailable } from '../../internal/database/deadline.ts'
import { snapshotSchema } from '../../internal/telemetry/aggregate.ts'
import { parseToWorker, type ToPrimary } from './cluster-messages.ts'
import type { Scrape } from './metrics-app.ts'
import { operatorMessage } from './operator-message.ts'
import { exitAfter, exitOnDefect, type Open, type Running } from './running.ts'

/** Longer than the primary waits for stuck workers. */
const SCRAPE_MS = 5_000

/** One of several processes that share a port. It starts and stops with its primary, and stops on a signal. */
export async function runWorker(open: Open): Promise<void> {
  let running: Running | undefined
  let stopping = false
  const stop = () => {
    if (running === undefined) process.exit(0)
    // A signal may come together with the message of the primary.
    if (stopping) return
    stopping = true
    exitAfter(running)
  }
  // A closed terminal signals all processes: the primary decides whether they stop.
  process
    .on('SIGTERM', stop)
    .on('SIGINT', stop)
    .on('SIGHUP', () => {})
  cluster.worker?.once('disconnect', () => {
    // Otherwise Node.js exits at once, with requests in flight.
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

/** Resolves when the message is sent, or cannot be sent. */
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
        const silent = new Error(`no response from the primary within ${SCRAPE_MS} ms`)
        timer = setTimeout(() => reject(storeUnavailable(silent, 'none')), SCRAPE_MS)
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
