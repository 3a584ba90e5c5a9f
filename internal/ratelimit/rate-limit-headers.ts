import type { MiddlewareContext } from '../core/request-state.ts'
import type { Decision, LimitStatus } from './limiter.ts'
import type { Limit } from './rate-limits.ts'

/** `X-RateLimit-*` of the tightest limit, `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers) of all. */
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

/** The draft knows whole seconds only: a shorter window is called one second. */
function policy(limit: Limit): string {
  const burst = limit.burst === limit.quota ? '' : `;burst=${limit.burst}`
  return `"${limit.name}";q=${limit.quota};w=${seconds(limit.windowMs)}${burst}`
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000)
}
