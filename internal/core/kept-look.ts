export interface KeptLook<T> {
  look(): Promise<T>
  /** Drops the kept result. */
  forget(): void
}

/**
 * Caches the result of `look` for `keepTimes` times its duration, and for at least `minKeepMs`, so that it is a small part
 * of the load of a store. At most one call is in flight. A failure is not cached.
 */
export function keptLook<T>(look: () => Promise<T>, keepTimes: number, minKeepMs: number): KeptLook<T> {
  let current: { found: Promise<T>; untilMs: number } | undefined
  return {
    look() {
      if (current !== undefined && performance.now() < current.untilMs) return current.found
      const startedMs = performance.now()
      const mine = { found: look(), untilMs: Number.POSITIVE_INFINITY }
      current = mine
      mine.found.then(
        () => {
          const nowMs = performance.now()
          mine.untilMs = nowMs + Math.max(minKeepMs, keepTimes * (nowMs - startedMs))
        },
        () => {
          if (current === mine) current = undefined
        },
      )
      return mine.found
    },
    forget() {
      current = undefined
    },
  }
}
