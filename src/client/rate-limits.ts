import { arrayOf, hasStrings, isObject } from './read-response.ts'
import type { SendRequest } from './request.ts'
import { type About, read } from './result.ts'
import type { Effort } from './transport.ts'

/** One limit with its state for the caller. */
export interface RateLimit {
  name: string
  /** What it counts: `global`, `client`, `ip` or `endpoint` (a client on one route). */
  scope: string
  /** `sliding-window`, `token-bucket` or `fixed-window`. */
  algorithm: string
  /** Requests in `window_ms`; for a token bucket, the tokens that are added in that time. */
  quota: number
  window_ms: number
  /** The capacity of a token bucket. */
  burst?: number
  remaining: number
  /** Whether it admits one more request now. */
  allowed: boolean
  /** When `remaining` grows: RFC 3339, by the clock of the service. */
  reset_at: string
  reset_after_ms: number
  /** The wait until it admits a request again; 0 if it does now. */
  retry_after_ms: number
}

export interface RateLimits extends About {
  limits: RateLimit[]
  /** The name of the limit that refuses first; null without limits. */
  tightest: string | null
}

export function readRateLimits(request: SendRequest, options: Effort = {}): Promise<RateLimits> {
  return read(request, 'api/v1/rate-limits', options, rateLimitsOf)
}

function rateLimitsOf(value: unknown): { limits: RateLimit[]; tightest: string | null } | undefined {
  if (!isObject(value)) return undefined
  const limits = arrayOf(value.limits, isRateLimit)
  const { tightest } = value
  if (limits === undefined) return undefined
  return typeof tightest === 'string' || tightest === null ? { limits, tightest } : undefined
}

function isRateLimit(value: unknown): value is RateLimit {
  if (!isObject(value) || typeof value.allowed !== 'boolean') return false
  const numbers = ['quota', 'window_ms', 'remaining', 'reset_after_ms', 'retry_after_ms']
  return (
    hasStrings(value, 'name', 'scope', 'algorithm', 'reset_at') &&
    numbers.every((name) => typeof value[name] === 'number')
  )
}
