import { checkMethod, checkNumber } from '../core/check-option.ts'
import type { RedisConnection } from '../database/redis.ts'
import { loadScript } from '../database/redis-script.ts'
import { resolutionEntry } from './key-records.ts'
import { redisNames } from './redis-names.ts'
import { parseHeaders } from './response-headers.ts'
import {
  type Claim,
  DEFAULT_TTL_MS,
  type IdempotencyStore,
  MAX_TTL_MS,
  parseReason,
  type StoredResponse,
} from './store.ts'

const CLAIM = loadScript(new URL('./claim.lua', import.meta.url))
const DISPATCH = loadScript(new URL('./dispatch.lua', import.meta.url))
const RENEW = loadScript(new URL('./renew.lua', import.meta.url))
const COMPLETE = loadScript(new URL('./complete.lua', import.meta.url))
const RELEASE = loadScript(new URL('./release.lua', import.meta.url))
const RESOLVE = loadScript(new URL('./resolve.lua', import.meta.url))

export interface RedisStoreOptions {
  /** How long a response is replayed, and how long an abandoned claim is remembered; 24 h by default. */
  ttlMs?: number
  /** In front of every key; for several services on one Redis, and for tests. */
  prefix?: string | undefined
}

/**
 * One script for each verb, one hash for each key, tagged by client so that it works on a Redis Cluster.
 *
 * @throws Nothing; each verb rejects with ServiceError `store_unavailable` when Redis is away.
 * @example const store = redisStore(connectRedis('redis://127.0.0.1:6379'))
 */
export function redisStore(redis: RedisConnection, options: RedisStoreOptions = {}): IdempotencyStore {
  const { ttlMs = DEFAULT_TTL_MS, prefix } = options
  checkNumber('ttlMs', ttlMs, 1, MAX_TTL_MS)
  checkMethod('redis', redis, 'ask')
  const names = redisNames(prefix)

  return {
    claim(id, fingerprint, token, leaseMs) {
      return redis.ask(CLAIM, [names.record(id)], [fingerprint, token, leaseMs, ttlMs], parseClaim)
    },
    async dispatch(id, token) {
      return (await redis.run(DISPATCH, [names.record(id)], [token])) === 'dispatched'
    },
    async renew(id, token, leaseMs) {
      return (await redis.run(RENEW, [names.record(id)], [token, leaseMs, ttlMs])) === 'renewed'
    },
    complete(id, token, response) {
      const args = [token, ttlMs, response.status, JSON.stringify(response.headers), response.body]
      return redis.ask(COMPLETE, [names.record(id)], args, isCompleted)
    },
    async release(id, token, outcome) {
      const [word, reason] = outcome === 'not_executed' ? [outcome, ''] : ['unknown', outcome.unknown]
      return (await redis.run(RELEASE, [names.record(id)], [token, word, reason])) === 'released'
    },
    async resolve(id, held, outcome, resolver) {
      const { event, entry } = resolutionEntry(id, outcome, resolver)
      const args = [held, event, entry, ttlMs, resolver.by]
      const response =
        outcome === 'not_executed' ? [] : [outcome.status, JSON.stringify(outcome.headers), outcome.body]
      const keys = [names.record(id), names.log(id.client)]
      return (await redis.run(RESOLVE, keys, [...args, ...response])) === 'resolved'
    },
  }
}

function isCompleted(reply: unknown): boolean {
  return reply === 'completed'
}

function parseClaim(reply: unknown): Claim {
  const [outcome, first, second, third]: unknown[] = Array.isArray(reply) ? reply : []
  switch (outcome) {
    case 'acquired':
      return { outcome: 'acquired', attempt: Number(first) }
    case 'replay':
      return { outcome: 'replay', response: parseResponse(first, second, third) }
    case 'mismatch':
      return { outcome: 'mismatch', fingerprint: String(first), isCompleted: second === 'completed' }
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
      throw new Error(`claim.lua returned ${String(outcome)}`)
  }
}

function parseResponse(status: unknown, headers: unknown, body: unknown): StoredResponse {
  if (!(body instanceof Buffer)) throw new Error('a completed record has no body')
  return { status: Number(status), headers: parseHeaders(String(headers)), body }
}
