import type { MiddlewareContext } from '../core/request-state.ts'
import type { Decision, LimitStatus } from './limiter.ts'
import type { Limit } from './rate-limits.ts'

/** Sets `X-RateLimit-*` for the tightest limit, and `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers) for all limits. */
export function rateLimitHeaders(limits: readonly Limit[]) {
  const policies = limits.map(policy).join(', ')
  return function setRateLimitHeaders(
    ctx: MiddlewareContext,
    decision: Decision,
    tightest: LimitStatus,
  ): void {
    const { res } = ctx
    res.setHeader('X-RateLimit-Limit', String(tightest.limit))
    res.setHeader('X-RateLimit-Remaining', String(tightest.remaining))
    res.setHeader('X-RateLimit-Reset', String(seconds(tightest.resetAtMs)))
    res.setHeader('RateLimit-Policy', policies)
    let states = ''
    for (const { name, remaining, resetAfterMs } of decision.statuses) {
      states += `${states === '' ? '' : ', '}"${name}";r=${remaining};t=${seconds(resetAfterMs)}`
    }
    res.setHeader('RateLimit', states)
  }
}

/** The draft has only whole seconds, so windows are rounded up. */
function policy(limit: Limit): string {
  const burst = limit.burst === limit.quota ? '' : `;burst=${limit.burst}`
  return `"${limit.name}";q=${limit.quota};w=${seconds(limit.windowMs)}${burst}`
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000)
}
