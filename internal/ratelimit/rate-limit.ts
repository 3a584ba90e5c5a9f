import { required, type Stage, type StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import type { Decision, Limiter, LimitStatus } from './limiter.ts'
import type { Limit, Scope } from './rate-limits.ts'

interface RateLimitOptions {
  limiter: Limiter
  /** What applies to this route; none: the stage does nothing. */
  limits: readonly Limit[]
  /** Name of the rule set; routes with the same one share its quotas. */
  group: string
  /** The route's pattern, e.g. `POST /orders`: what `endpoint` counts. */
  route: string
  /** Told once a request, with the scope of the tightest limit. */
  onDecision?: (scope: Scope, decision: 'allowed' | 'refused') => void
}

/**
 * Lets a request pass, or refuses it with 429 `rate_limited`. Must come after the stage that tells the caller, so
 * that an unauthenticated request uses nothing. The headers stay on `ctx` when it refuses.
 */
export function rateLimit(options: RateLimitOptions): Stage {
  const { limiter, limits, group, route, onDecision } = options
  const policies = limits.map(policy).join(', ')

  return async function limitRate(ctx, next) {
    if (limits.length === 0) return next()
    const { client } = required(ctx, 'caller', 'the signature stage')
    const decision = await limiter.decide(limits, { client, ip: ctx.ip, route, group })
    const { tightest } = decision
    // Nothing is known of the limits while their store is away and the setting is `open`.
    if (tightest === undefined) return next()
    setHeaders(ctx, policies, decision, tightest)
    onDecision?.(tightest.scope, decision.allowed ? 'allowed' : 'refused')
    if (!decision.allowed) {
      throw new ServiceError('rate_limited', `The limit "${tightest.name}" is used up.`, {
        retryAfterMs: tightest.retryAfterMs,
      })
    }
    return next()
  }
}

/** `RateLimit-Policy` and `RateLimit` after draft-ietf-httpapi-ratelimit-headers, lists of all that apply. */
function setHeaders(ctx: StageContext, policies: string, decision: Decision, tightest: LimitStatus): void {
  ctx.set('X-RateLimit-Limit', String(tightest.limit))
  ctx.set('X-RateLimit-Remaining', String(tightest.remaining))
  ctx.set('X-RateLimit-Reset', String(seconds(tightest.resetAtMs)))
  ctx.set('RateLimit-Policy', policies)
  const states = decision.statuses.map(
    (status) => `"${status.name}";r=${status.remaining};t=${seconds(status.resetAfterMs)}`,
  )
  ctx.set('RateLimit', states.join(', '))
}

/** The draft knows whole seconds only: a shorter window is called one second. */
function policy(limit: Limit): string {
  const burst = limit.burst === limit.quota ? '' : `;burst=${limit.burst}`
  return `"${limit.name}";q=${limit.quota};w=${seconds(limit.windowMs)}${burst}`
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000)
}
