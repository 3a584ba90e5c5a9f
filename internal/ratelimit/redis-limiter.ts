import { LRUCache } from 'lru-cache'
import type { RedisConnection } from '../database/redis.ts'
import { loadScript, type ScriptCall } from '../database/redis-script.ts'
import { type Decision, decision, type Limiter, type LimitStatus, type Subject, stateKey } from './limiter.ts'
import type { Limit } from './rate-limits.ts'

const LIMIT = loadScript(new URL('./limit.lua', import.meta.url))
/** The number of values that the script returns for each limit. */
const VALUES_PER_LIMIT = 4

export interface RedisLimiterOptions {
  /** The prefix of every key; `oncekey:limit` by default. */
  prefix?: string
  /** Unix milliseconds, used instead of the clock of Redis; for tests. */
  now?: () => number
}

/**
 * The longest time for which a refusal is cached. It is limited because Redis may lose its state, and because the other
 * limits of the request change.
 */
const MAX_REFUSAL_MS = 1_000
/** The most cached refusals; with more, the least recently used is dropped and Redis decides again. */
const MAX_REFUSED = 1_000

/** A cached refusal. Times are those of `performance.now()`. */
interface Refusal {
  limits: readonly Limit[]
  statuses: readonly LimitStatus[]
  startMs: number
  untilMs: number
}

/**
 * Counts in Redis for all processes, with one script call for each decision, by the clock of Redis. If Redis loses its
 * state, quotas start afresh. A refusal is cached for a short time, so that clients that retry at once cost Redis nothing.
 */
export class RedisLimiter implements Limiter {
  readonly #redis: RedisConnection
  readonly #prefix: string
  readonly #now: (() => number) | undefined
  /** Cached refusals by the keys of their limits. */
  readonly #refused = new LRUCache<string, Refusal>({ max: MAX_REFUSED })
  /** The end of the last cached refusal. Without one, a decision skips the cache. */
  #refusedUntilMs = 0

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
    if (this.#now !== undefined)
      return this.#redis.ask(LIMIT, keys, makeArgs(mode, limits, this.#now()), (reply) =>
        parseReply(reply, limits),
      )
    const startMs = performance.now()
    const hasRefused = startMs < this.#refusedUntilMs
    if (hasRefused && mode === 'take') {
      const refused = this.#stillRefused(keys, limits, startMs)
      if (refused !== undefined) return Promise.resolve(refused)
    }
    const asked = this.#redis.ask(LIMIT, keys, argsOf(mode, limits), (reply) => {
      const decided = parseReply(reply, limits)
      if (!decided.allowed) this.#remember(keys, limits, decided, startMs)
      return decided
    })
    // A cached refusal must not look like a response of Redis, which would end an outage.
    if (hasRefused) asked.catch(() => this.#refused.clear())
    return asked
  }

  #remember(
    keys: readonly string[],
    limits: readonly Limit[],
    { statuses }: Decision,
    startMs: number,
  ): void {
    let waitMs = MAX_REFUSAL_MS
    for (const { allowed, retryAfterMs } of statuses) if (!allowed) waitMs = Math.min(waitMs, retryAfterMs)
    // From the time before the call, so that the cached refusal ends before the one in Redis.
    const untilMs = startMs + waitMs
    this.#refused.set(nameOf(keys), { limits, statuses, startMs, untilMs })
    this.#refusedUntilMs = Math.max(this.#refusedUntilMs, untilMs)
  }

  #stillRefused(keys: readonly string[], limits: readonly Limit[], nowMs: number): Decision | undefined {
    const refusal = this.#refused.get(nameOf(keys))
    if (refusal === undefined || refusal.limits !== limits || nowMs >= refusal.untilMs) return undefined
    const sinceMs = Math.floor(nowMs - refusal.startMs)
    return decision(refusal.statuses.map((status) => statusAfter(status, sinceMs)))
  }
}

function nameOf(keys: readonly string[]): string {
  return keys.length === 1 ? String(keys[0]) : keys.join(' ')
}

/** The status after a further `sinceMs`, without uses in between. */
function statusAfter(status: LimitStatus, sinceMs: number): LimitStatus {
  return {
    name: status.name,
    scope: status.scope,
    allowed: status.allowed,
    limit: status.limit,
    remaining: status.remaining,
    resetAfterMs: Math.max(0, status.resetAfterMs - sinceMs),
    resetAtMs: status.resetAtMs,
    retryAfterMs: Math.max(0, status.retryAfterMs - sinceMs),
  }
}

type Mode = 'take' | 'peek'

/** Cached arguments of each list of limits. There are few lists: one for each setting and each distinct client limit. */
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
 * All keys of a decision are in one hash slot. Limits per client are spread over a cluster. With a `global` or `ip` limit,
 * all decisions are on one node: about 90,000 a second with one limit, 40,000 with four.
 */
function hashTag(limits: readonly Limit[], subject: Subject): string {
  const perClient = limits.every((limit) => limit.scope === 'client' || limit.scope === 'endpoint')
  return perClient ? subject.client : subject.group
}

function parseReply(reply: unknown, limits: readonly Limit[]): Decision {
  if (!Array.isArray(reply) || reply.length !== limits.length * VALUES_PER_LIMIT)
    throw new Error('limit.lua did not return four values for each limit')
  const values: readonly unknown[] = reply
  const statuses = limits.map((limit, index): LimitStatus => {
    const first = index * VALUES_PER_LIMIT
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
 * A limiter that counts in Redis, for any number of processes. Its methods reject with ServiceError `store_unavailable`
 * while Redis is unreachable; wrap it in `outageLimiter` to decide then.
 *
 * @example rateLimit({ limiter: redisLimiter(connectRedis(url)), limits: 'client=10/60s', route: 'POST /bookings' })
 */
export function redisLimiter(redis: RedisConnection, options: RedisLimiterOptions = {}): Limiter {
  return new RedisLimiter(redis, options)
}
