import type { Problem } from './problem-error.ts'

export interface RetryPolicy {
  /** Including the first. */
  maxAttempts: number
  /** The longest wait before the first retry; it doubles with each further one ... */
  baseMs: number
  /** ... up to this. */
  capMs: number
  /** For one attempt, from sending to the last byte of the response. */
  attemptTimeoutMs: number
  /** For the request, with all attempts and waits. */
  deadlineMs: number
  /** Retries for each request of this client ... */
  budgetRatio: number
  /** ... and besides them this many a minute. */
  budgetReserve: number
}

/**
 * How often and when a request is sent again; `ClientOptions.retry` changes parts of it.
 *
 * @example createClient({ baseUrl, client, secret, retry: { ...DEFAULT_RETRY, maxAttempts: 3 } })
 */
export const DEFAULT_RETRY: Readonly<RetryPolicy> = {
  // With these delays the tenth attempt comes about when the deadline does.
  maxAttempts: 10,
  baseMs: 200,
  capMs: 10_000,
  // The service responds within its own deadlines, or says 503; this is for connections that went silent.
  attemptTimeoutMs: 15_000,
  deadlineMs: 60_000,
  budgetRatio: 0.2,
  budgetReserve: 10,
}

/** 24 days: a longer setTimeout() would fire at once. */
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

/** The defaults with what is given. Throws RangeError, which names the option, its interval and the value. */
export function retryPolicy(given: Partial<RetryPolicy> = {}): RetryPolicy {
  const policy: RetryPolicy = { ...DEFAULT_RETRY, ...given }
  for (const [name, [min, max]] of entries(RANGES)) {
    const value = policy[name]
    if (typeof value !== 'number' || !(value >= min && value <= max))
      throw new RangeError(`retry.${name} must be from ${min} to ${max}, not ${String(value)}`)
  }
  return policy
}

/** The deadline of one request: none is left where it is 0 or less. Throws RangeError for what is no number of milliseconds. */
export function ownDeadline(deadlineMs: number | undefined): number | undefined {
  if (deadlineMs === undefined || (typeof deadlineMs === 'number' && deadlineMs <= MAX_MS)) return deadlineMs
  throw new RangeError(`deadlineMs must be a number up to ${MAX_MS}, not ${String(deadlineMs)}`)
}

function entries<K extends string, V>(record: Record<K, V>): [K, V][] {
  const keys = Object.keys(record).filter((key): key is K => key in record)
  return keys.map((key) => [key, record[key]])
}

/** What is tried again. */
export interface RetryOn {
  /** Unless the response says `retryable: false`. */
  statuses: readonly number[]
  /** Passing states of a key: the response comes, or an operator finds out what happened. */
  codes: readonly string[]
}

export const DEFAULT_RETRY_ON: RetryOn = {
  statuses: [408, 425, 429, 500, 502, 503, 504],
  codes: ['network_error', 'timeout', 'request_in_progress', 'outcome_unknown'],
}

/** All that `send` goes by. */
export interface RetryRules {
  policy: RetryPolicy
  on: RetryOn
}

export const DEFAULT_RULES: RetryRules = { policy: DEFAULT_RETRY, on: DEFAULT_RETRY_ON }

/** Whatever their status: the same again would end the same. */
const FINAL_CODES = new Set(['aborted', 'answer_too_large', 'idempotency_key_reused'])

/** Whether the same request with the same key may succeed later. */
export function isRetryable({ code, status, retryable }: Problem, on: RetryOn = DEFAULT_RETRY_ON): boolean {
  if (FINAL_CODES.has(code)) return false
  if (on.codes.includes(code)) return true
  if (status === 409) return retryable === true
  return on.statuses.includes(status) && retryable !== false
}

/** Of the ceiling from one retry to the next. */
export const MULTIPLIER = 2

/** Milliseconds before retry `retry` (from 0): what the service asked for plus full jitter from 0 to `delayCeiling`. */
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
  // 2^1023 is the largest power that is a number; 0 * Infinity is none.
  return Math.min(policy.capMs, policy.baseMs * MULTIPLIER ** Math.min(retry, 1_023))
}

/**
 * The wait that a response asks for: `retry_after_ms`, or a longer `Retry-After`, which a proxy may have set. An HTTP
 * date is relative to `Date`, which is of the same clock.
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
