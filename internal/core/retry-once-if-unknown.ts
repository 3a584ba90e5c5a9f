import { ServiceError } from './service-error.ts'

/** A second deadline of the same length would make a client wait twice as long. */
export const SECOND_MS = 1_000
/** For both calls: so long does a client wait for its 503 while a server hangs. */
const BOTH_MS = 2_800
/** After a first call that has taken all of it. */
const LEAST_MS = 300

/**
 * Calls a second time where the first call may have been done though its result was lost. Only for calls that do their
 * work once however often they are made. When the second call fails, too, the outcome of the first is still unknown.
 * The second call gets a deadline, in milliseconds, which is shorter where the first has missed its own; the first has the
 * usual one.
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
