export interface KeptLook<T> {
  look(): Promise<T>
  /** The next look is a new one. */
  forget(): void
}

/**
 * Looks at most once at a time, and keeps what was found for `keepTimes` as long as that took, and for `minKeepMs` at least,
 * so that looking is a small part of what a store does. A look that fails is not kept.
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
