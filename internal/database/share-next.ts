import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Calls share a run of `work` that begins after them: one that is in flight may have looked before what the caller
 * wants to see. Runs follow one another, and none begins earlier than `gapMs` after the end of the one before; the
 * first, and one after a pause, begins at once.
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
