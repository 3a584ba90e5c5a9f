import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../internal/database/database.ts'
import { parseDatabaseUrl, whereIs } from '../../internal/database/database-url.ts'
import { connectRedis, type RedisConnection } from '../../internal/database/redis.ts'
import type { RedisTls } from '../../internal/database/redis-client.ts'
import type { KeyRecords } from '../../internal/idempotency/key-records.ts'
import { postgresRecords } from '../../internal/idempotency/postgres-records.ts'
import { redisRecords } from '../../internal/idempotency/redis-records.ts'
import type { ConfigOf } from '../config/config.ts'
import { redisPrefixOf } from '../runtime/redis-prefix.ts'
import { redisTlsOf } from '../runtime/redis-tls.ts'
import { describeCause } from '../runtime/underlying-cause.ts'
import { openCommandDatabase } from './command-database.ts'

/** For the first connection, and for the slot map of a cluster. */
const REDIS_START_MS = 2_000
const POLL_MS = 20

export interface OpenRecords {
  records: KeyRecords
  /** Names the store, without credentials. */
  where: string
  /** The database of orders and payments; undefined: the settings have none. */
  rows(): Promise<Database | undefined>
  close(): Promise<void>
}

/** The records of the store that the service with these settings uses. Throws plain Errors for the operator. */
export async function openKeyRecords(config: ConfigOf<'keys'>): Promise<OpenRecords> {
  const options = { ttlMs: config.idempotencyTtlMs }
  if (config.idempotencyStore === 'redis' && config.redisUrl !== undefined) {
    const prefix = await redisPrefixOf(config)
    const redis = await reachableRedis(config.redisUrl, redisTlsOf(config))
    const where = `Redis at ${hostsOf(config.redisUrl)}, under ${prefix}:`
    let database: Promise<Database> | undefined
    return {
      records: redisRecords(redis, { ...options, prefix }),
      where,
      async rows() {
        if (config.databaseUrl === undefined) return undefined
        database ??= openCommandDatabase(config, '')
        return await database
      },
      async close() {
        await (await database)?.close()
        await redis.close()
      },
    }
  }
  const database = await openCommandDatabase(config, '')
  const where =
    config.databaseUrl === undefined ? `${config.dataDir} (DATA_DIR)` : databaseAt(config.databaseUrl)
  return {
    records: postgresRecords(database, options),
    where,
    rows: async () => database,
    close: () => database.close(),
  }
}

function databaseAt(url: string): string {
  const servers = parseDatabaseUrl(url)
  return `the database ${servers[0]?.database} at ${servers.map(whereIs).join(', ')}`
}

/** The host of each node; everything before the last @ may be a credential. */
function hostsOf(url: string): string {
  const nodes = url.split(/,(?=\s*rediss?:\/\/)/)
  return nodes.map((node) => node.replace(/^[^/]*\/\/(?:[\s\S]*@)?/, '').replace(/\?[\s\S]*$/, '')).join(', ')
}

async function reachableRedis(url: string, tls: RedisTls): Promise<RedisConnection> {
  const redis = connectRedis(url, { tls })
  const untilMs = performance.now() + REDIS_START_MS
  for (;;) {
    try {
      await redis.ping()
      return redis
    } catch (error) {
      if (performance.now() < untilMs) {
        await sleep(POLL_MS)
        continue
      }
      await redis.close()
      throw new Error(`the Redis of REDIS_URL cannot be used: ${describeCause(error)}`)
    }
  }
}
