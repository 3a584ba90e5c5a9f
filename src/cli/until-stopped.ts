import { SAME_SIGNAL_MS } from '../runtime/run-service.ts'

/** Resolves with the first SIGTERM or SIGINT; a second one, later than SAME_SIGNAL_MS, ends the process at once. */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let sinceMs: number | undefined
    const stop = (signal: NodeJS.Signals) => {
      if (sinceMs === undefined) {
        sinceMs = performance.now()
        resolve(signal)
      } else if (performance.now() - sinceMs >= SAME_SIGNAL_MS) process.exit(1)
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
  })
}
