import type { RedisConnection } from '../database/redis.ts'
import { loadScript, type ScriptCall } from '../database/redis-script.ts'
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

/** Counts in Redis for all processes, one script call a decision, by the clock of Redis. Lost state: quotas start afresh. */
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

  #run(mode: Mode, limits: readonly Limit[], subject: Subject): Promise<Decision> {
    if (limits.length === 0) return Promise.resolve(decision([]))
    const start = `${this.#prefix}:{${hashTag(limits, subject)}}:`
    const keys = limits.map((limit) => start + stateKey(limit, subject))
    const args = this.#now === undefined ? argsOf(mode, limits) : makeArgs(mode, limits, this.#now())
    return this.#redis.ask(LIMIT, keys, args, (reply) => parseReply(reply, limits))
  }
}

type Mode = 'take' | 'peek'

/** Of each list of limits, by the clock of Redis. There are as many lists as there are settings and plans of clients. */
const argsByMode = {
  take: new WeakMap<readonly Limit[], ScriptCall['args']>(),
  peek: new WeakMap<readonly Limit[], ScriptCall['args']>(),
}

function argsOf(mode: Mode, limits: readonly Limit[]): ScriptCall['args'] {
  const known = argsByMode[mode].get(limits)
  if (known !== undefined) return known
  const args = makeArgs(mode, limits, '')
  argsByMode[mode].set(limits, args)
  return args
}

function makeArgs(mode: Mode, limits: readonly Limit[], now: number | ''): ScriptCall['args'] {
  const each = limits.flatMap(({ algorithm, quota, windowMs, burst }) => [algorithm, quota, windowMs, burst])
  return [mode, ...each, now]
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
