import { setTimeout as sleep } from 'node:timers/promises'
import { connectRedis, type RedisConnection } from '../../internal/database/redis.ts'
import type { KeyRecords } from '../../internal/idempotency/key-records.ts'
import { postgresRecords } from '../../internal/idempotency/postgres-records.ts'
import { redisRecords } from '../../internal/idempotency/redis-records.ts'
import type { Config } from '../config.ts'
import { describeCause } from '../underlying-cause.ts'
import { openCommandDatabase } from './command-database.ts'

/** Redis may need a moment for its first connection, and a cluster for its map. */
const REDIS_START_MS = 2_000
const POLL_MS = 20

export interface OpenRecords {
  records: KeyRecords
  close(): Promise<void>
}

/** The records of the store that the service with these settings uses. Throws plain Errors for the operator. */
export async function openKeyRecords(config: Config): Promise<OpenRecords> {
  const options = { ttlMs: config.idempotencyTtlMs }
  if (config.idempotencyStore === 'redis' && config.redisUrl !== undefined) {
    const redis = await reachableRedis(config.redisUrl)
    return { records: redisRecords(redis, options), close: () => redis.close() }
  }
  const database = await openCommandDatabase(config, '')
  return { records: postgresRecords(database, options), close: () => database.close() }
}

async function reachableRedis(url: string): Promise<RedisConnection> {
  const redis = connectRedis(url)
  const untilMs = Date.now() + REDIS_START_MS
  for (;;) {
    try {
      await redis.ping()
      return redis
    } catch (error) {
      if (Date.now() < untilMs) {
        await sleep(POLL_MS)
        continue
      }
      await redis.close()
      throw new Error(`the Redis of REDIS_URL cannot be used: ${describeCause(error)}`)
    }
  }
}
