import { SAME_KEY_PRESS_MS } from '../runtime/run-service.ts'

/** Resolves with the first SIGTERM or SIGINT; a second one ends the process at once. */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let sinceMs: number | undefined
    const stop = (signal: NodeJS.Signals) => {
      if (sinceMs === undefined) {
        sinceMs = performance.now()
        resolve(signal)
      } else if (signal !== 'SIGINT' || performance.now() - sinceMs >= SAME_KEY_PRESS_MS) process.exit(1)
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
  })
}
