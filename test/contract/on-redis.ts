import { randomUUID } from 'node:crypto'
import type { RedisConnection } from '../../internal/database/redis.ts'
import { redisRecords } from '../../internal/idempotency/redis-records.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import type { Subject } from './idempotency-store.ts'
import { DAY_MS } from './on-postgres.ts'

/** The store in that Redis, under names of its own: the default of `prefix` has characters of patterns in it. */
export function keysOnRedis(
  redis: RedisConnection,
  close: () => Promise<void>,
  prefix = `test-*[${randomUUID()}]?`,
): Subject {
  const withTtl = (ttlMs: number) => redisStore(redis, { ttlMs, prefix })
  return { store: withTtl(DAY_MS), withTtl, records: redisRecords(redis, { ttlMs: DAY_MS, prefix }), close }
}
