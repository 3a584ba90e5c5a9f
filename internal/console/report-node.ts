import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { NodeBoard } from './node-board.ts'
import type { NodeKind, NodeReport } from './node-report.ts'
import type { Traffic } from './traffic.ts'

export interface ReportNodeOptions {
  kind: NodeKind
  version: string
  traffic: Traffic
  /** The state of each circuit breaker, by name. */
  circuits: () => Promise<Record<string, string>>
  /** Called once for each outage. */
  onTrouble: (error: unknown) => void
}

const EVERY_MS = 5_000
/** At the end, to remove the report, which also expires by itself. */
const LEAVE_MS = 500

/** Reports the state of this process to the others, by the store. `close` removes the report. */
export function reportNode(board: NodeBoard, options: ReportNodeOptions): { close(): Promise<void> } {
  const { kind, version, traffic, circuits, onTrouble } = options
  const id = `${hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 80)}-${process.pid}-${randomBytes(3).toString('hex')}`
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  let lastTotal = traffic.total
  let lastMs = performance.now()
  let troubled = false

  const take = async (): Promise<NodeReport> => {
    const nowMs = performance.now()
    const seconds = Math.max(0.001, (nowMs - lastMs) / 1_000)
    const requestsPerS = (traffic.total - lastTotal) / seconds
    // Nanoseconds, including the resolution of 20 ms; NaN before the first sample.
    const eventLoopMs = Math.max(0, (delay.percentile(99) || 0) / 1e6 - 20)
    lastMs = nowMs
    lastTotal = traffic.total
    delay.reset()
    return {
      kind,
      version,
      uptimeMs: Math.round(process.uptime() * 1_000),
      requestsPerS: Math.round(requestsPerS * 10) / 10,
      eventLoopMs: Math.round(eventLoopMs * 10) / 10,
      residentBytes: process.memoryUsage.rss(),
      circuits: await circuits(),
      ...traffic.report(),
    }
  }
  const write = async () => {
    try {
      await board.write(id, await take())
      troubled = false
    } catch (error) {
      if (!troubled) onTrouble(error)
      troubled = true
    }
  }
  let writing: Promise<void> | undefined
  const report = () => {
    writing ??= write().finally(() => {
      writing = undefined
    })
  }
  const timer = setInterval(report, EVERY_MS).unref()
  report()

  return {
    async close() {
      clearInterval(timer)
      delay.disable()
      await writing
      if (troubled) return
      await board.remove(id, LEAVE_MS).catch(() => {})
    },
  }
}
