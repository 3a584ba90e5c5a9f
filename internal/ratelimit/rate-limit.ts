import { checkMethod, checkText } from '../core/check-option.ts'
import { clientAddress } from '../core/client-address.ts'
import { middleware, type StepMiddleware } from '../core/compose.ts'
import { type MiddlewareContext, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import type { Decision, Limiter, LimitStatus } from './limiter.ts'
import { memoryLimiter } from './memory-limiter.ts'
import { type Limit, limitsByClient, type OwnLimits, parseRateLimits, type Scope } from './rate-limits.ts'

export interface AppliedLimits {
  limiter: Limiter
  /** The limits of this route; without limits the middleware does nothing. */
  limits: readonly Limit[]
  /** The name of the rule set. Routes with the same group share its quotas. */
  group: string
  /** The pattern of the route, e.g. `POST /orders`, which scope `endpoint` counts by. */
  route: string
  ownLimits?: OwnLimits | undefined
}

export interface RateLimitOptions {
  /** Counts the requests; by default a new `memoryLimiter()`. */
  limiter?: Limiter
  /** The limits of this route, as text (see `parseRateLimits`) or parsed. Without limits every request is admitted. */
  limits: readonly Limit[] | string
  /** The pattern of the route, e.g. `POST /orders`, which scope `endpoint` counts by. */
  route: string
  /** The name of the rule set; `route` by default. Routes with the same group and limiter share its quotas. */
  group?: string
  /** A client's own limits, which replace those of scope `client` and `endpoint`; by default no client has any. */
  ownLimits?: OwnLimits
  /** Called once for each request, with the scope of the tightest limit. */
  onDecision?: (scope: Scope, decision: 'allowed' | 'refused') => void
}

/**
 * Admits a request, or refuses it with 429 `rate_limited`. It must come after the middleware that sets the caller, so
 * that an unauthenticated request uses no quota. It sets the rate limit headers in both cases.
 *
 * @throws ServiceError `rate_limited`, or `store_unavailable` if the store of the limiter is unreachable.
 * @example app.use(rateLimit({ limits: 'client=10/60s', route: 'POST /bookings' }))
 */
export function rateLimit(options: RateLimitOptions): StepMiddleware {
  const { limiter = memoryLimiter(), route, group = route, onDecision } = options
  checkMethod('limiter', limiter, 'decide')
  checkText('route', route)
  if (typeof options.limits !== 'string' && !Array.isArray(options.limits))
    throw new TypeError('limits must be text as client=10/60s, or what parseRateLimits returned')
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
    // There are no statuses while the store is unreachable and the setting is `open`.
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

/**
 * Sets `X-RateLimit-*` for the tightest limit, and `RateLimit` and `RateLimit-Policy`
 * (draft-ietf-httpapi-ratelimit-headers) for all limits.
 */
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
