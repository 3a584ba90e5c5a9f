import { clientAddress } from '../core/client-address.ts'
import { respondJson } from '../core/json-content.ts'
import { type Middleware, required } from '../core/request-state.ts'
import type { LimitStatus } from './limiter.ts'
import { type AppliedLimits, rateLimitHeaders } from './rate-limit.ts'
import { type Limit, limitsByClient } from './rate-limits.ts'

/**
 * `GET /api/v1/rate-limits`: the state of these limits for the caller and `route`, without using them. The list is empty
 * without limits, and while the store is unreachable with the setting `open`.
 *
 * @throws ServiceError `store_unavailable` while the store is unreachable with the setting `closed`.
 */
export function showRateLimits({
  limiter,
  limits: common,
  group,
  route,
  ownLimits,
}: AppliedLimits): Middleware {
  const applied = limitsByClient(common, ownLimits, (limits) => ({
    limits,
    setHeaders: rateLimitHeaders(limits),
  }))
  return async function showRateLimits(ctx) {
    const { client } = required(ctx, 'caller', 'authenticate')
    const { limits, setHeaders } = applied(client)
    const decision = await limiter.peek(limits, { client, ip: clientAddress(ctx), route, group })
    const { statuses, tightest } = decision
    if (tightest !== undefined) setHeaders(ctx, decision, tightest)
    const shown = limits.flatMap((limit) => {
      const status = statuses.find(({ name }) => name === limit.name)
      return status === undefined ? [] : [show(limit, status)]
    })
    respondJson(ctx, { limits: shown, tightest: tightest?.name ?? null })
  }
}

function show(limit: Limit, status: LimitStatus): object {
  const { name, scope, algorithm, quota, windowMs, burst } = limit
  return {
    name,
    scope,
    algorithm,
    quota,
    window_ms: windowMs,
    ...(algorithm === 'token-bucket' ? { burst } : {}),
    remaining: status.remaining,
    allowed: status.allowed,
    reset_at: new Date(status.resetAtMs).toISOString(),
    reset_after_ms: status.resetAfterMs,
    retry_after_ms: status.retryAfterMs,
  }
}
