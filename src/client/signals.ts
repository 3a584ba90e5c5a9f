/** What waits for each signal. */
const followers = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `listener` on abort, until the returned function is called. One listener a signal: Node.js warns at the eleventh. */
function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {}
  if (isOver(signal)) {
    listener()
    return () => {}
  }
  const all = followers.get(signal) ?? new Set()
  if (!followers.has(signal)) {
    followers.set(signal, all)
    signal.addEventListener('abort', () => tell(signal), { once: true })
  }
  // Two requests may wait with the same function.
  const entry = () => listener()
  all.add(entry)
  return () => void all.delete(entry)
}

function tell(signal: AbortSignal): void {
  const all = followers.get(signal) ?? []
  followers.delete(signal)
  for (const listener of all) listener()
}

/** A controller that the signal aborts too, until `release()`. AbortSignal.any() would leak with a long-lived signal. */
export function follow(signal: AbortSignal | undefined): {
  controller: AbortController
  release: () => void
} {
  const controller = new AbortController()
  return { controller, release: onAbort(signal, () => controller.abort(signal?.reason)) }
}

/** The value, or undefined as soon as the signal is aborted. */
export function unlessAborted<T>(value: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const release = onAbort(signal, () => resolve(undefined))
    void value.then(resolve, reject).finally(() => release())
  })
}

/** As a function: the compiler would take a value that it has seen once for one that stays. */
export function isOver(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

/**
 * Starts to measure, and returns how many milliseconds have passed since then, by the clock that went further: the
 * monotonic one stands still while a machine sleeps, and `now` may be set back.
 */
export function stopwatch(now: () => number): () => number {
  const [startMs, monotonicMs] = [now(), performance.now()]
  return () => Math.max(now() - startMs, performance.now() - monotonicMs)
}

/** Resolves after `ms`, or as soon as the signal is aborted; never rejects. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      release()
      resolve()
    }, ms)
    const release = onAbort(signal, () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
