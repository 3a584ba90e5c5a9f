/** The schedule that Standard Webhooks recommends: ten attempts over three days. Seconds after each failed attempt. */
const SCHEDULE_S = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
/** The longest Retry-After that is honoured. */
const MAX_RETRY_AFTER_MS = 86_400_000

/**
 * The pause after a failed attempt: full jitter between 0 and twice the step of the schedule, and at least `Retry-After`.
 * undefined: it was the last attempt.
 * @param failures before this one
 * @param random 0 to less than 1
 */
export function retryDelayMs(failures: number, random: number, retryAfterMs = 0): number | undefined {
  const step = SCHEDULE_S[failures]
  if (step === undefined) return undefined
  return Math.max(step * 2_000 * random, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS))
}

/** `Retry-After` in seconds or as an HTTP date; 0 if it is missing or invalid. */
export function retryAfterMs(value: string | undefined, now: number): number {
  if (value === undefined) return 0
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000
  const at = /^[A-Z][a-z]{2}, /.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? 0 : Math.max(0, at - now)
}
