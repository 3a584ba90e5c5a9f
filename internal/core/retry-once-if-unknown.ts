import { ServiceError } from './service-error.ts'

/** A second deadline of the same length would make a client wait twice as long. */
export const SECOND_MS = 1_000

/**
 * Calls a second time where the first call may have been done though its result was lost. Only for calls that do their
 * work once however often they are made. When the second call fails, too, the outcome of the first is still unknown.
 * The second call gets a deadline, in milliseconds; the first has the usual one.
 */
export async function retryOnceIfUnknown<T>(call: (deadlineMs?: number) => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (first) {
    if (!(first instanceof ServiceError) || first.effect !== 'unknown') throw first
    try {
      return await call(SECOND_MS)
    } catch (second) {
      throw second instanceof ServiceError ? first : second
    }
  }
}
