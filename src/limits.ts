import { PAYMENTS_SCOPE } from '../internal/payments/payments.ts'
import type { Limiter } from '../internal/ratelimit/limiter.ts'
import { MemoryLimiter } from '../internal/ratelimit/memory-limiter.ts'
import { OutageLimiter } from '../internal/ratelimit/outage-limiter.ts'
import { rateLimit } from '../internal/ratelimit/rate-limit.ts'
import { type Limit, parseRateLimits } from '../internal/ratelimit/rate-limits.ts'
import { RedisLimiter } from '../internal/ratelimit/redis-limiter.ts'
import { showRateLimits } from '../internal/ratelimit/show-rate-limits.ts'
import { type Traced, traced } from '../internal/telemetry/spans.ts'
import type { Config } from './config.ts'
import type { Parts, StoreParts } from './parts.ts'

/** What each API allows unless RATE_LIMITS replaces it for all of them. */
const LIMITS = {
  orders: parseRateLimits('client=10/60s'),
  pay: parseRateLimits('global=10/1s:token-bucket:10'),
  v1: parseRateLimits('global=1000/60s,client=100/60s,endpoint=10/60s,client=20/1s:token-bucket:50'),
  // The sidecar limits nothing unless it is told to.
  proxy: [],
} as const
type Api = keyof typeof LIMITS
export function openLimiter({ config, redis, logger }: Pick<Parts, 'config' | 'redis' | 'logger'>): Limiter {
  const local = new MemoryLimiter({ now: steadyClock })
  if (redis === undefined) return local
  return new OutageLimiter({
    limiter: new RedisLimiter(redis),
    onOutage: config.rateLimitOnOutage,
    local,
    onChange: (outage, cause) => logger.warn({ err: cause }, `the outage of the rate limiter ${outage}`),
  })
}

/** Unix milliseconds that never jump: what was counted in a minute that the clock has taken back would count for longer. */
function steadyClock(): number {
  return Math.floor(performance.timeOrigin + performance.now())
}

/** What counts together, for a request to `route`, which is the one that `endpoint` limits count. */
export function limitGroups({
  rateLimits,
}: Config): { group: string; limits: readonly Limit[]; route: string }[] {
  const route = PAYMENTS_SCOPE
  if (rateLimits !== undefined) return [{ group: 'all', limits: rateLimits, route }]
  return Object.entries(LIMITS).map(([group, limits]) => ({ group, limits, route }))
}

export function limits(parts: StoreParts, spanned: Traced = traced(undefined), limiter = openLimiter(parts)) {
  const { config, metrics } = parts
  /** One set for all routes, or each API's own. */
  const applied = (api: Api, route: string) =>
    config.rateLimits === undefined
      ? { limiter, limits: countedOn(api, route), group: api, route }
      : { limiter, limits: config.rateLimits, group: 'all', route }
  return {
    limited: (api: Api, route: string) =>
      spanned.stage(
        'limit',
        rateLimit({
          ...applied(api, route),
          onDecision(scope, decision) {
            metrics.rateLimitDecisions.inc({ scope, decision })
            if (decision === 'refused') metrics.rateLimitExceeded.inc()
          },
        }),
      ),
    standing: (api: Api, route: string) => showRateLimits(applied(api, route)),
  }
}

function countedOn(api: Api, route: string): readonly Limit[] {
  return LIMITS[api].filter(({ scope }) => scope !== 'endpoint' || route === PAYMENTS_SCOPE)
}
