import type { StepMiddleware } from '../../internal/core/compose.ts'
import type { Middleware } from '../../internal/core/request-state.ts'
import { PLAIN_PREFIX } from '../../internal/database/deployment.ts'
import type { Limiter } from '../../internal/ratelimit/limiter.ts'
import { MemoryLimiter } from '../../internal/ratelimit/memory-limiter.ts'
import { OutageLimiter } from '../../internal/ratelimit/outage-limiter.ts'
import { rateLimit } from '../../internal/ratelimit/rate-limit.ts'
import {
  type Limit,
  type OwnLimits,
  parseClientLimits,
  parseRateLimits,
} from '../../internal/ratelimit/rate-limits.ts'
import { RedisLimiter } from '../../internal/ratelimit/redis-limiter.ts'
import { showRateLimits } from '../../internal/ratelimit/show-rate-limits.ts'
import type { ClientRegistry } from '../../internal/signature/client-registry.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Config, SharedConfig } from '../config/config.ts'
import { DEFAULT_LIMITS } from '../config/default-limits.ts'
import type { StoreDependencies } from './dependencies.ts'

/** What each API allows unless RATE_LIMITS replaces it for all of them. */
const LIMITS = {
  orders: parseRateLimits(DEFAULT_LIMITS.orders),
  pay: parseRateLimits(DEFAULT_LIMITS.pay),
  v1: parseRateLimits(DEFAULT_LIMITS.v1),
  // The sidecar has no limits by default.
  proxy: [],
} as const
/** Routes of one group share its limits. */
export type LimitGroup = keyof typeof LIMITS

export interface LimitedRoute {
  group: LimitGroup
  /** Method and pattern, such as `POST /orders`. */
  scope: string
  /** It has effects: default limits of scope `endpoint` are for such routes. */
  takesEffect: boolean
}

export function openLimiter({
  config,
  redis,
  logger,
}: Pick<StoreDependencies, 'redis' | 'logger'> & {
  config: Pick<SharedConfig, 'rateLimitOnOutage' | 'redisPrefix'>
}): Limiter {
  const local = new MemoryLimiter({ now: steadyClock })
  if (redis === undefined) return local
  return new OutageLimiter({
    limiter: new RedisLimiter(redis, { prefix: `${config.redisPrefix ?? PLAIN_PREFIX}:limit` }),
    onOutage: config.rateLimitOnOutage,
    local,
    onChange: (outage, cause) => logger.warn({ err: cause }, `the outage of the rate limiter ${outage}`),
  })
}

/** Unix milliseconds that never jump back, so that a count never lasts longer than its window. */
function steadyClock(): number {
  return Math.floor(performance.timeOrigin + performance.now())
}

/** Limits that count together. */
export interface CountedLimits {
  group: string
  limits: readonly Limit[]
}

/** All limits in force: one set for all routes, or each group's own. */
export function limitsInForce({ rateLimits }: Pick<Config, 'rateLimits'>): CountedLimits[] {
  if (rateLimits !== undefined) return [{ group: 'all', limits: rateLimits }]
  return Object.entries(LIMITS).map(([group, limits]) => ({ group, limits }))
}

function limitsOf(
  { rateLimits }: Pick<Config, 'rateLimits'>,
  { group, takesEffect }: LimitedRoute,
): CountedLimits {
  if (rateLimits !== undefined) return { group: 'all', limits: rateLimits }
  return { group, limits: LIMITS[group].filter(({ scope }) => scope !== 'endpoint' || takesEffect) }
}

/** Middleware with the limits of a route. */
export function limited(
  { config, metrics }: Pick<StoreDependencies, 'config' | 'metrics'>,
  limiter: Limiter,
  route: LimitedRoute,
  ownLimits: OwnLimits | undefined,
): StepMiddleware {
  const { group, limits } = limitsOf(config, route)
  return rateLimit({
    limiter,
    ...(ownLimits === undefined ? {} : { ownLimits }),
    limits,
    group,
    route: route.scope,
    onDecision(scope, decision) {
      metrics.rateLimitDecisions.add({ scope, decision })
      if (decision === 'refused') metrics.rateLimitExceeded.inc()
    },
  })
}

/** Shows the state of the limits of a route for the caller. */
export function limitStandings(
  config: Config,
  limiter: Limiter,
  route: LimitedRoute,
  ownLimits: OwnLimits,
): Middleware {
  const { group, limits } = limitsOf(config, route)
  return showRateLimits({ limiter, limits, group, route: route.scope, ownLimits })
}

/** Distinct texts that are kept parsed; clients share a few plans. */
const MAX_PLANS = 10_000

/** The limits of each client, by the registry. A text that cannot be parsed is reported once and counts as none. */
export function clientLimits(registry: ClientRegistry, logger: Pick<Logger, 'error'>): OwnLimits {
  const plans = new Map<string, readonly Limit[] | undefined>()
  return (client) => {
    const text = registry.find(client)?.limits
    if (text === undefined) return undefined
    if (plans.has(text)) return plans.get(text)
    if (plans.size >= MAX_PLANS) plans.clear()
    const plan = parse(text, client, logger)
    plans.set(text, plan)
    return plan
  }
}

function parse(text: string, client: string, logger: Pick<Logger, 'error'>): readonly Limit[] | undefined {
  try {
    return parseClientLimits(text)
  } catch (error) {
    logger.error({ client, err: error }, 'the limits of a client cannot be read: the common ones apply')
    return undefined
  }
}
