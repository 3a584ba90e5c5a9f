import { LRUCache } from 'lru-cache'
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

/**
 * A refusal holds until a use has left its window, and no longer than this: Redis may have lost its state meanwhile, and
 * what other limits of the request have left changes.
 */
const REFUSED_FOR_MS = 1_000
/** More refused subjects than this push out those that have not come for longest: Redis is asked for them again. */
const MAX_REFUSED = 1_000

/** The subject was refused a moment ago. Times are those of `performance.now()`. */
interface Refusal {
  limits: readonly Limit[]
  statuses: readonly LimitStatus[]
  askedMs: number
  untilMs: number
}

/**
 * Counts in Redis for all processes, one script call a decision, by the clock of Redis. Lost state: quotas start afresh.
 * Who was refused a moment ago is refused here: clients that retry at once cost Redis nothing.
 */
export class RedisLimiter implements Limiter {
  readonly #redis: RedisConnection
  readonly #prefix: string
  readonly #now: (() => number) | undefined
  /** By the keys of the limits. */
  readonly #refused = new LRUCache<string, Refusal>({ max: MAX_REFUSED })
  /** When the last of them ends: while nobody is refused a decision costs nothing more. */
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
    const askedMs = performance.now()
    const hasRefused = askedMs < this.#refusedUntilMs
    if (hasRefused && mode === 'take') {
      const refused = this.#stillRefused(keys, limits, askedMs)
      if (refused !== undefined) return Promise.resolve(refused)
    }
    const asked = this.#redis.ask(LIMIT, keys, argsOf(mode, limits), (reply) => {
      const decided = parseReply(reply, limits)
      if (!decided.allowed) this.#remember(keys, limits, decided, askedMs)
      return decided
    })
    // An outage is not over because of what is known from before.
    if (hasRefused) asked.catch(() => this.#refused.clear())
    return asked
  }

  #remember(
    keys: readonly string[],
    limits: readonly Limit[],
    { statuses }: Decision,
    askedMs: number,
  ): void {
    let waitMs = REFUSED_FOR_MS
    for (const { allowed, retryAfterMs } of statuses) if (!allowed) waitMs = Math.min(waitMs, retryAfterMs)
    // From before Redis was asked, so that it ends here before it ends there.
    const untilMs = askedMs + waitMs
    this.#refused.set(nameOf(keys), { limits, statuses, askedMs, untilMs })
    this.#refusedUntilMs = Math.max(this.#refusedUntilMs, untilMs)
  }

  #stillRefused(keys: readonly string[], limits: readonly Limit[], nowMs: number): Decision | undefined {
    const refusal = this.#refused.get(nameOf(keys))
    if (refusal === undefined || refusal.limits !== limits || nowMs >= refusal.untilMs) return undefined
    const sinceMs = Math.floor(nowMs - refusal.askedMs)
    return decision(refusal.statuses.map((status) => later(status, sinceMs)))
  }
}

function nameOf(keys: readonly string[]): string {
  return keys.length === 1 ? String(keys[0]) : keys.join(' ')
}

/** Where nothing was used meanwhile. */
function later(status: LimitStatus, sinceMs: number): LimitStatus {
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
 * The keys of one decision are in one slot. Limits per client spread over a cluster; with a `global` or `ip` limit all
 * decisions are on one node: about 90,000 a second over one limit, 40,000 over four.
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
