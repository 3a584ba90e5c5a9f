import { loadScript, type RedisConnection } from '../database/redis.ts'
import { parseHeaders } from './answer-headers.ts'
import type { Answer, Claim, IdempotencyStore, KeyId } from './store.ts'

const CLAIM = loadScript(new URL('./claim.lua', import.meta.url))
const RENEW = loadScript(new URL('./renew.lua', import.meta.url))
const COMPLETE = loadScript(new URL('./complete.lua', import.meta.url))
const RELEASE = loadScript(new URL('./release.lua', import.meta.url))

export interface RedisStoreOptions {
  /** How long an answer is replayed, and how long an abandoned claim is remembered. */
  ttlMs: number
  /** In front of every key; for several services on one Redis, and for tests. */
  prefix?: string
}

/** One script for each verb, one hash for each key, tagged by client so that it works on a Redis Cluster. */
export function redisStore(redis: RedisConnection, options: RedisStoreOptions): IdempotencyStore {
  const { ttlMs, prefix = 'oncekey' } = options
  const record = (id: KeyId) => [`${prefix}:key:{${id.client}}:${id.scope}:${id.key}`]

  return {
    async claim(id, fingerprint, token, leaseMs) {
      return parseClaim(await redis.run(CLAIM, record(id), [fingerprint, token, leaseMs, ttlMs]))
    },
    async renew(id, token, leaseMs) {
      return word(await redis.run(RENEW, record(id), [token, leaseMs])) === 'renewed'
    },
    async complete(id, token, answer) {
      const args = [token, ttlMs, answer.status, JSON.stringify(answer.headers), answer.body]
      return word(await redis.run(COMPLETE, record(id), args)) === 'completed'
    },
    async release(id, token, outcome) {
      return word(await redis.run(RELEASE, record(id), [token, outcome])) === 'released'
    },
  }
}

function parseClaim(reply: unknown): Claim {
  const [outcome, first, headers, body]: unknown[] = Array.isArray(reply) ? reply : []
  switch (word(outcome)) {
    case 'acquired':
      return { outcome: 'acquired', attempt: Number(first) }
    case 'replay':
      return { outcome: 'replay', answer: parseAnswer(first, headers, body) }
    case 'mismatch':
      return { outcome: 'mismatch' }
    case 'in_progress':
      return { outcome: 'in_progress', retryAfterMs: Number(first) }
    case 'unknown':
      return { outcome: 'unknown' }
    default:
      throw new Error(`claim.lua answered ${word(outcome)}`)
  }
}

function parseAnswer(status: unknown, headers: unknown, body: unknown): Answer {
  if (!(body instanceof Buffer)) throw new Error('a completed record has no body')
  return { status: Number(word(status)), headers: parseHeaders(word(headers)), body }
}

function word(reply: unknown): string {
  return reply instanceof Buffer ? reply.toString() : String(reply)
}
