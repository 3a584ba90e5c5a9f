import { ServiceError } from './service-error.ts'

/** The longest deadline of the second call, shorter than the first so that the client does not wait twice as long. */
export const SECOND_MS = 1_000
/** The time for both calls: how long a client waits for its 503 while a server hangs. */
const BOTH_MS = 2_800
/** The shortest deadline of the second call. */
const LEAST_MS = 300

/**
 * Calls again if the effect of the first call is unknown. Only for calls that take effect once when they are repeated. If the
 * second call fails too, the error of the first is thrown. The first call has the usual deadline; the second gets one in
 * milliseconds, which is shorter if the first has missed its own.
 */
export async function retryOnceIfUnknown<T>(
  call: (deadlineMs?: number) => Promise<T>,
  now: () => number = () => performance.now(),
): Promise<T> {
  const startedMs = now()
  try {
    return await call()
  } catch (first) {
    if (!(first instanceof ServiceError) || first.effect !== 'unknown') throw first
    try {
      const leftMs = BOTH_MS - (now() - startedMs)
      return await call(Math.max(LEAST_MS, Math.min(SECOND_MS, leftMs)))
    } catch (second) {
      throw second instanceof ServiceError ? first : second
    }
  }
}
