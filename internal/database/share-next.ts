import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Calls share a run of `work` that begins after them, since one in flight may have read too early. Runs do not overlap
 * and begin at least `gapMs` after the end of the one before.
 */
export function shareNext<T>(work: () => Promise<T>, gapMs: number): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<T> | undefined
  return () => {
    next ??= last.then(() => {
      next = undefined
      const run = work()
      last = run.catch(() => {}).then(() => sleep(gapMs))
      return run
    })
    return next
  }
}
