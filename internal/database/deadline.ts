import { ServiceError } from '../core/service-error.ts'

/**
 * Rejects with `store_unavailable` if `work` does not settle within `deadlineMs`. The work is not cancelled: a statement
 * that was sent may still take effect, so the effect of the error is 'unknown' by default.
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

/** The wait for the client before the next try. */
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
