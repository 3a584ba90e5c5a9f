/** The listeners of each signal. */
const listeners = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `listener` on abort, until the returned function is called. Adds one event listener for each signal: Node.js
 * warns at the eleventh.
 */
function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {}
  if (isAborted(signal)) {
    listener()
    return () => {}
  }
  const all = listeners.get(signal) ?? new Set()
  if (!listeners.has(signal)) {
    listeners.set(signal, all)
    signal.addEventListener('abort', () => notify(signal), { once: true })
  }
  // A separate entry, because two requests may pass the same function.
  const entry = () => listener()
  all.add(entry)
  return () => void all.delete(entry)
}

function notify(signal: AbortSignal): void {
  const all = listeners.get(signal) ?? []
  listeners.delete(signal)
  for (const listener of all) listener()
}

/** A controller that is also aborted by the signal, until `release()`. AbortSignal.any() leaks with a long-lived signal. */
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

/** A function, because TypeScript would assume that `signal.aborted` stays false after the first check. */
export function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

/**
 * Returns a function that gives the milliseconds since this call, by the clock that advanced more: the monotonic clock
 * stops while a machine sleeps, and `now` may be set back.
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
