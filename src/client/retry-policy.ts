import type { Problem } from './problem-error.ts'

export interface RetryPolicy {
  /** Including the first. */
  maxAttempts: number
  /** The maximum wait before the first retry. It doubles with each further retry, up to `capMs`. */
  baseMs: number
  capMs: number
  /** The timeout of one attempt, from sending to the last byte of the response. */
  attemptTimeoutMs: number
  /** The deadline of the request, with all attempts and waits. */
  deadlineMs: number
  /** Retries of this client are limited to this number for each request ... */
  budgetRatio: number
  /** ... plus this number a minute. */
  budgetReserve: number
}

/**
 * The default retry policy. `ClientOptions.retry` overrides parts of it.
 *
 * @example createClient({ baseUrl, client, secret, retry: { ...DEFAULT_RETRY, maxAttempts: 3 } })
 */
export const DEFAULT_RETRY: Readonly<RetryPolicy> = {
  // With these delays the tenth attempt is sent at about the deadline.
  maxAttempts: 10,
  baseMs: 200,
  capMs: 10_000,
  // The service responds within its own deadlines; this is for connections that stopped responding.
  attemptTimeoutMs: 15_000,
  deadlineMs: 60_000,
  budgetRatio: 0.2,
  budgetReserve: 10,
}

/** 24 days: setTimeout() fires at once for more. */
const MAX_MS = 2_147_483_647
const RANGES: Record<keyof RetryPolicy, readonly [min: number, max: number]> = {
  maxAttempts: [1, 1_000],
  baseMs: [0, MAX_MS],
  capMs: [0, MAX_MS],
  attemptTimeoutMs: [1, MAX_MS],
  deadlineMs: [1, MAX_MS],
  budgetRatio: [0, 1],
  budgetReserve: [0, Number.POSITIVE_INFINITY],
}

/** Merges options with the defaults. Throws RangeError with the option, its interval and the value. */
export function retryPolicy(given: Partial<RetryPolicy> = {}): RetryPolicy {
  const policy: RetryPolicy = { ...DEFAULT_RETRY, ...given }
  for (const [name, [min, max]] of entries(RANGES)) {
    const value = policy[name]
    if (typeof value !== 'number' || !(value >= min && value <= max))
      throw new RangeError(`retry.${name} must be from ${min} to ${max}, not ${String(value)}`)
  }
  return policy
}

/** The deadline of one request. Throws RangeError if it is not a valid number of milliseconds. */
export function ownDeadline(deadlineMs: number | undefined): number | undefined {
  if (deadlineMs === undefined || (typeof deadlineMs === 'number' && deadlineMs <= MAX_MS)) return deadlineMs
  throw new RangeError(`deadlineMs must be a number up to ${MAX_MS}, not ${String(deadlineMs)}`)
}

function entries<K extends string, V>(record: Record<K, V>): [K, V][] {
  const keys = Object.keys(record).filter((key): key is K => key in record)
  return keys.map((key) => [key, record[key]])
}

/** Which failures are retried. */
export interface RetryOn {
  /** Retried, unless the problem has `retryable: false`. */
  statuses: readonly number[]
  /** Retried with any status. */
  codes: readonly string[]
}

export const DEFAULT_RETRY_ON: RetryOn = {
  statuses: [408, 425, 429, 500, 502, 503, 504],
  codes: ['network_error', 'timeout', 'request_in_progress', 'outcome_unknown'],
}

/** The rules for `send`. */
export interface RetryRules {
  policy: RetryPolicy
  on: RetryOn
}

export const DEFAULT_RULES: RetryRules = { policy: DEFAULT_RETRY, on: DEFAULT_RETRY_ON }

/** Never retried: the same request would fail again. */
const FINAL_CODES = new Set(['aborted', 'answer_too_large', 'idempotency_key_reused'])

/** Whether the same request with the same key may succeed later. */
export function isRetryable({ code, status, retryable }: Problem, on: RetryOn = DEFAULT_RETRY_ON): boolean {
  if (FINAL_CODES.has(code)) return false
  if (on.codes.includes(code)) return true
  if (status === 409) return retryable === true
  return on.statuses.includes(status) && retryable !== false
}

/** The growth of the ceiling from one retry to the next. */
export const MULTIPLIER = 2

/**
 * The wait in milliseconds before retry `retry` (from 0): the wait that the service requests, plus full jitter up to
 * `delayCeiling`.
 */
export function retryDelay(
  policy: Pick<RetryPolicy, 'baseMs' | 'capMs'>,
  retry: number,
  retryAfterMs: number | undefined,
  random: () => number,
): number {
  return (retryAfterMs ?? 0) + random() * delayCeiling(policy, retry)
}

/** min(cap, base * 2^retry) milliseconds. */
export function delayCeiling(policy: Pick<RetryPolicy, 'baseMs' | 'capMs'>, retry: number): number {
  // 2^1024 is Infinity, and 0 * Infinity is NaN.
  return Math.min(policy.capMs, policy.baseMs * MULTIPLIER ** Math.min(retry, 1_023))
}

/**
 * The wait that a response requests: `retry_after_ms`, or a longer `Retry-After`, which a proxy may have set. An HTTP date
 * is compared with the Date header, which is from the same clock.
 */
export function retryAfterOf(headers: Headers, exactMs: unknown, nowMs: number): number | undefined {
  const headerMs = headerWait(headers, nowMs)
  if (typeof exactMs !== 'number' || !(exactMs >= 0)) return headerMs
  return Math.max(exactMs, (headerMs ?? 0) - 999)
}

function headerWait(headers: Headers, nowMs: number): number | undefined {
  const text = headers.get('Retry-After')?.trim() ?? ''
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1_000
  const atMs = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(atMs)) return undefined
  const sentAtMs = Date.parse(headers.get('Date') ?? '')
  return Math.max(0, atMs - (Number.isNaN(sentAtMs) ? nowMs : sentAtMs))
}
