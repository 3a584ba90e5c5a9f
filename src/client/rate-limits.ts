import { arrayOf, hasTexts, isObject } from './read-response.ts'
import type { SendRequest } from './request.ts'
import { type About, read } from './result.ts'
import type { Effort } from './transport.ts'

/** One limit, and where the caller stands in it. */
export interface RateLimit {
  name: string
  /** What it counts: `global`, `client`, `ip` or `endpoint` (a client on one route). */
  scope: string
  /** `sliding-window`, `token-bucket` or `fixed-window`. */
  algorithm: string
  /** Requests in `window_ms`; for a token bucket the tokens that flow in during that time. */
  quota: number
  window_ms: number
  /** What a token bucket holds when it is full. */
  burst?: number
  remaining: number
  /** Whether it admits one more request now. */
  allowed: boolean
  /** When `remaining` grows, RFC 3339, by the service's clock. */
  reset_at: string
  reset_after_ms: number
  /** How long until it admits one again; 0 if it does now. */
  retry_after_ms: number
}

export interface RateLimits extends About {
  limits: RateLimit[]
  /** The name of the one to mind most; null where there are none. */
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
    hasTexts(value, 'name', 'scope', 'algorithm', 'reset_at') &&
    numbers.every((name) => typeof value[name] === 'number')
  )
}
