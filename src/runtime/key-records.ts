import type { Database } from '../../internal/database/database.ts'
import type { RedisConnection } from '../../internal/database/redis.ts'
import type { KeyRecords } from '../../internal/idempotency/key-records.ts'
import { postgresRecords } from '../../internal/idempotency/postgres-records.ts'
import { redisRecords } from '../../internal/idempotency/redis-records.ts'
import type { SharedConfig } from '../config/config.ts'

interface KeyRecordsDependencies {
  config: SharedConfig
  database: Database | undefined
  redis: RedisConnection | undefined
}

/** The records of the keys, in the store where this process has them. */
export function keyRecords({ config, database, redis }: KeyRecordsDependencies): KeyRecords {
  const options = { ttlMs: config.idempotencyTtlMs }
  if (config.idempotencyStore === 'redis' && redis !== undefined)
    return redisRecords(redis, { ...options, prefix: config.redisPrefix })
  if (database === undefined) throw new Error('the keys need a database where they are not in Redis')
  return postgresRecords(database, options)
}
