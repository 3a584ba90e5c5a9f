import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Coalesces calls: each call gets the result of a run of `work` that starts after the call, because a run in flight may
 * have read too early. Runs do not overlap, and start at least `gapMs` after the end of the previous one.
 */
export function coalesce<T>(work: () => Promise<T>, gapMs: number): () => Promise<T> {
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
