import { ServiceError } from '../core/service-error.ts'

/**
 * The promise, or `store_unavailable` after `deadlineMs`. What the promise stands for goes on: a statement that
 * was sent may still take effect, so the error says that its effect is unknown, unless told otherwise.
 */
export function withDeadline<T>(
  work: Promise<T>,
  deadlineMs: number,
  what: string,
  effect: 'none' | 'unknown' = 'unknown',
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(storeUnavailable(new Error(`no response from ${what} within ${deadlineMs} ms`), effect))
    }, deadlineMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** How long a partner is asked to wait before the next try while a store is away. */
const RETRY_AFTER_MS = 1_000

export function storeUnavailable(cause: unknown, effect: 'none' | 'unknown'): ServiceError {
  return new ServiceError(
    'store_unavailable',
    'The service cannot do this right now. Try again with the same key.',
    {
      retryAfterMs: RETRY_AFTER_MS,
      cause,
      effect,
    },
  )
}
