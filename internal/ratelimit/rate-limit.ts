import { required, type Stage, type StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import { before } from '../stages.ts'
import type { Limiter } from './limiter.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'
import type { Limit, Scope } from './rate-limits.ts'

export interface AppliedLimits {
  limiter: Limiter
  /** What applies to this route; none: the stage does nothing. */
  limits: readonly Limit[]
  /** Name of the rule set; routes with the same one share its quotas. */
  group: string
  /** The route's pattern, e.g. `POST /orders`: what `endpoint` counts. */
  route: string
}

interface RateLimitOptions extends AppliedLimits {
  /** Told once a request, with the scope of the tightest limit. */
  onDecision?: (scope: Scope, decision: 'allowed' | 'refused') => void
}

/**
 * Lets a request pass, or refuses it with 429 `rate_limited`. Must come after the stage that tells the caller, so
 * that an unauthenticated request uses nothing. The headers stay on `ctx` when it refuses.
 */
export function rateLimit(options: RateLimitOptions): Stage {
  const { limiter, limits, group, route, onDecision } = options
  const setHeaders = rateLimitHeaders(limits)
  const needsIp = limits.some(({ scope }) => scope === 'ip')

  return before(function rateLimit(ctx) {
    return limits.length === 0 ? undefined : limitRate(ctx)
  })

  async function limitRate(ctx: StageContext): Promise<void> {
    const { client } = required(ctx, 'caller', 'the signature stage')
    const decision = await limiter.decide(limits, { client, ip: needsIp ? ctx.ip : '', route, group })
    const { tightest } = decision
    // Nothing is known of the limits while their store is away and the setting is `open`.
    if (tightest === undefined) return
    setHeaders(ctx, decision, tightest)
    onDecision?.(tightest.scope, decision.allowed ? 'allowed' : 'refused')
    if (!decision.allowed) {
      throw new ServiceError('rate_limited', `The limit "${tightest.name}" is used up.`, {
        retryAfterMs: tightest.retryAfterMs,
      })
    }
  }
}
