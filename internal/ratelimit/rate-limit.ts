import { clientAddress } from '../core/client-address.ts'
import { middleware, type StepMiddleware } from '../core/compose.ts'
import { type MiddlewareContext, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { limitsByClient, type OwnLimits } from './client-limits.ts'
import type { Decision, Limiter } from './limiter.ts'
import { memoryLimiter } from './memory-limiter.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'
import { type Limit, parseRateLimits, type Scope } from './rate-limits.ts'

export interface AppliedLimits {
  limiter: Limiter
  /** What applies to this route; none: the middleware does nothing. */
  limits: readonly Limit[]
  /** Name of the rule set; routes with the same one share its quotas. */
  group: string
  /** The route's pattern, e.g. `POST /orders`: what `endpoint` counts. */
  route: string
  ownLimits?: OwnLimits | undefined
}

export interface RateLimitOptions {
  /** Counts; by default one of its own in this process. */
  limiter?: Limiter
  /** What applies to this route, as text (see `parseRateLimits`) or parsed; none: every request passes. */
  limits: readonly Limit[] | string
  /** The route's pattern, e.g. `POST /orders`: what `endpoint` counts. */
  route: string
  /** Name of the rule set; routes with the same one and the same limiter share its quotas. `route` by default. */
  group?: string
  /** What a client has in place of the limits of scope `client` and `endpoint`; by default no client has. */
  ownLimits?: OwnLimits
  /** Told once a request, with the scope of the tightest limit. */
  onDecision?: (scope: Scope, decision: 'allowed' | 'refused') => void
}

/**
 * Lets a request pass, or refuses it with 429 `rate_limited`. Must come after the middleware that sets the caller, so
 * that an unauthenticated request uses nothing. The headers stay on `ctx` when it refuses.
 *
 * @throws ServiceError `rate_limited`, or `store_unavailable` where the limiter's store is away.
 * @example app.use(rateLimit({ limits: 'client=10/60s', route: 'POST /bookings' }))
 */
export function rateLimit(options: RateLimitOptions): StepMiddleware {
  const { limiter = memoryLimiter(), route, group = route, onDecision } = options
  const limits = typeof options.limits === 'string' ? parseRateLimits(options.limits) : options.limits
  const applied = limitsByClient(limits, options.ownLimits, (applying) => ({
    limits: applying,
    setHeaders: rateLimitHeaders(applying),
    needsIp: applying.some(({ scope }) => scope === 'ip'),
  }))
  const neverLimits = limits.length === 0 && options.ownLimits === undefined

  return middleware(function rateLimit(ctx) {
    return neverLimits ? undefined : limitRate(ctx)
  })

  function limitRate(ctx: MiddlewareContext): Promise<void> | undefined {
    const { client } = required(ctx, 'caller', 'the signature middleware')
    const { limits, setHeaders, needsIp } = applied(client)
    if (limits.length === 0) return undefined
    const subject = { client, ip: needsIp ? clientAddress(ctx) : '', route, group }
    return limiter.decide(limits, subject).then((decision) => conclude(ctx, decision, setHeaders))
  }

  function conclude(
    ctx: MiddlewareContext,
    decision: Decision,
    setHeaders: ReturnType<typeof rateLimitHeaders>,
  ): void {
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
