import type { RedisConnection } from '../database/redis.ts'
import { loadScript } from '../database/redis-script.ts'
import { parseHeaders } from './answer-headers.ts'
import { resolutionEntry } from './key-records.ts'
import { redisNames } from './redis-names.ts'
import { type Answer, type Claim, type IdempotencyStore, parseReason } from './store.ts'

const CLAIM = loadScript(new URL('./claim.lua', import.meta.url))
const DISPATCH = loadScript(new URL('./dispatch.lua', import.meta.url))
const RENEW = loadScript(new URL('./renew.lua', import.meta.url))
const COMPLETE = loadScript(new URL('./complete.lua', import.meta.url))
const RELEASE = loadScript(new URL('./release.lua', import.meta.url))
const RESOLVE = loadScript(new URL('./resolve.lua', import.meta.url))

export interface RedisStoreOptions {
  /** How long an answer is replayed, and how long an abandoned claim is remembered. */
  ttlMs: number
  /** In front of every key; for several services on one Redis, and for tests. */
  prefix?: string
}

/** One script for each verb, one hash for each key, tagged by client so that it works on a Redis Cluster. */
export function redisStore(redis: RedisConnection, options: RedisStoreOptions): IdempotencyStore {
  const { ttlMs, prefix } = options
  const names = redisNames(prefix)

  return {
    claim(id, fingerprint, token, leaseMs) {
      return redis.run(CLAIM, [names.record(id)], [fingerprint, token, leaseMs, ttlMs]).then(parseClaim)
    },
    async dispatch(id, token) {
      return (await redis.run(DISPATCH, [names.record(id)], [token])) === 'dispatched'
    },
    async renew(id, token, leaseMs) {
      return (await redis.run(RENEW, [names.record(id)], [token, leaseMs])) === 'renewed'
    },
    async complete(id, token, answer) {
      const args = [token, ttlMs, answer.status, JSON.stringify(answer.headers), answer.body]
      return (await redis.run(COMPLETE, [names.record(id)], args)) === 'completed'
    },
    async release(id, token, outcome, reason = 'not_told') {
      return (await redis.run(RELEASE, [names.record(id)], [token, outcome, reason])) === 'released'
    },
    async resolve(id, held, outcome, resolver) {
      const { event, entry } = resolutionEntry(id, outcome, resolver)
      const args = [held, event, entry, ttlMs, resolver.by]
      const answer =
        outcome === 'nothing happened' ? [] : [outcome.status, JSON.stringify(outcome.headers), outcome.body]
      const keys = [names.record(id), names.log(id.client)]
      return (await redis.run(RESOLVE, keys, [...args, ...answer])) === 'resolved'
    },
  }
}

function parseClaim(reply: unknown): Claim {
  const [outcome, first, second, third]: unknown[] = Array.isArray(reply) ? reply : []
  switch (outcome) {
    case 'acquired':
      return { outcome: 'acquired', attempt: Number(first) }
    case 'replay':
      return { outcome: 'replay', answer: parseAnswer(first, second, third) }
    case 'mismatch':
      return { outcome: 'mismatch' }
    case 'in_progress':
      return { outcome: 'in_progress', retryAfterMs: Number(first) }
    case 'unknown':
      return {
        outcome: 'unknown',
        reason: parseReason(String(first)),
        sinceMs: Number(second),
        held: String(third),
      }
    default:
      throw new Error(`claim.lua answered ${String(outcome)}`)
  }
}

function parseAnswer(status: unknown, headers: unknown, body: unknown): Answer {
  if (!(body instanceof Buffer)) throw new Error('a completed record has no body')
  return { status: Number(status), headers: parseHeaders(String(headers)), body }
}
