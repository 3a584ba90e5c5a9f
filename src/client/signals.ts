/**
 * A controller that the signal aborts too, until `release()`. AbortSignal.any() would do it, but a signal that lives
 * as long as the program would collect a listener for each request.
 */
export function follow(signal: AbortSignal | undefined): {
  controller: AbortController
  release: () => void
} {
  const controller = new AbortController()
  const abort = () => controller.abort(signal?.reason)
  if (isOver(signal)) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  return { controller, release: () => signal?.removeEventListener('abort', abort) }
}

/** As a function: the compiler would take a value that it has seen once for one that stays. */
export function isOver(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

/** Resolves after `ms`, or as soon as the signal is aborted; never rejects. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const { controller, release } = follow(signal)
    const end = () => {
      clearTimeout(timer)
      release()
      resolve()
    }
    const timer = setTimeout(end, ms)
    controller.signal.addEventListener('abort', end, { once: true })
    if (isOver(controller.signal)) end()
  })
}
