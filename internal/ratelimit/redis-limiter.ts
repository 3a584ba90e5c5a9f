import type { RedisConnection } from '../database/redis.ts'
import { loadScript } from '../database/redis-script.ts'
import { type Decision, decision, type Limiter, type LimitStatus, type Subject, stateKey } from './limiter.ts'
import type { Limit } from './rate-limits.ts'

const LIMIT = loadScript(new URL('./limit.lua', import.meta.url))
/** Values that the script returns for each limit. */
const RESPONSES_EACH = 4

export interface RedisLimiterOptions {
  /** Start of every key. */
  prefix?: string
  /** Unix milliseconds in place of Redis' own clock: tests move it. */
  now?: () => number
}

/**
 * Counts in Redis, for any number of processes: one script call a decision, by the clock of Redis. If Redis loses
 * its state, quotas start afresh: at most one extra burst.
 */
export class RedisLimiter implements Limiter {
  readonly #redis: RedisConnection
  readonly #prefix: string
  readonly #now: (() => number) | undefined

  constructor(redis: RedisConnection, options: RedisLimiterOptions = {}) {
    this.#redis = redis
    this.#prefix = options.prefix ?? 'oncekey:limit'
    this.#now = options.now
  }

  decide(limits: readonly Limit[], subject: Subject): Promise<Decision> {
    return this.#run('take', limits, subject)
  }

  peek(limits: readonly Limit[], subject: Subject): Promise<Decision> {
    return this.#run('peek', limits, subject)
  }

  #run(mode: 'take' | 'peek', limits: readonly Limit[], subject: Subject): Promise<Decision> {
    if (limits.length === 0) return Promise.resolve(decision([]))
    const tag = hashTag(limits, subject)
    const keys = limits.map((limit) => `${this.#prefix}:{${tag}}:${stateKey(limit, subject)}`)
    const args: (string | number)[] = [mode]
    for (const limit of limits) args.push(limit.algorithm, limit.quota, limit.windowMs, limit.burst)
    args.push(this.#now?.() ?? '')
    return this.#redis.run(LIMIT, keys, args).then((reply) => parseReply(reply, limits))
  }
}

/**
 * The keys of one decision must lie in one slot. Where every limit is per client, clients spread over the
 * cluster. A rule set with a `global` or `ip` limit lies in a single slot as a whole: its decisions all meet on
 * one node of the cluster, which is then their ceiling: a core of Redis makes about 90,000 decisions a second
 * over one limit, 40,000 over four.
 */
function hashTag(limits: readonly Limit[], subject: Subject): string {
  const perClient = limits.every((limit) => limit.scope === 'client' || limit.scope === 'endpoint')
  return perClient ? subject.client : subject.group
}

function parseReply(reply: unknown, limits: readonly Limit[]): Decision {
  if (!Array.isArray(reply) || reply.length !== limits.length * RESPONSES_EACH)
    throw new Error('limit.lua did not respond for each limit')
  const values: readonly unknown[] = reply
  const statuses = limits.map((limit, index): LimitStatus => {
    const first = index * RESPONSES_EACH
    const allowed = values[first] === 'allowed'
    const wait = Number(values[first + 2])
    return {
      name: limit.name,
      scope: limit.scope,
      allowed,
      limit: limit.algorithm === 'token-bucket' ? limit.burst : limit.quota,
      remaining: Number(values[first + 1]),
      resetAfterMs: wait,
      resetAtMs: Number(values[first + 3]),
      retryAfterMs: allowed ? 0 : wait,
    }
  })
  return decision(statuses)
}

/**
 * Counts in Redis, for any number of processes. Its verbs reject with ServiceError `store_unavailable` while Redis is
 * away; `outageLimiter` decides then.
 *
 * @example rateLimit({ limiter: redisLimiter(connectRedis(url)), limits: 'client=10/60s', route: 'POST /bookings' })
 */
export function redisLimiter(redis: RedisConnection, options: RedisLimiterOptions = {}): Limiter {
  return new RedisLimiter(redis, options)
}
