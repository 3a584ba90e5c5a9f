import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { deploymentId, PLAIN_PREFIX } from '../../internal/database/deployment.ts'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import type { RedisConnection } from '../../internal/database/redis.ts'
import { redisNames } from '../../internal/idempotency/redis-names.ts'
import type { ConfigOf } from '../config/config.ts'

/** The settings that decide how names in Redis begin. */
export type RedisSettings = Pick<ConfigOf<'keys'>, 'redisUrl' | 'redisPrefix' | 'databaseUrl' | 'dataDir'>

/**
 * The settings with the prefix of names in Redis: REDIS_PREFIX, or one by the deployment id of the database, or a fixed
 * one. The embedded database has it in a file too, for commands that cannot open it.
 */
export async function withRedisPrefix<C extends RedisSettings>(
  config: C,
  database: Database | undefined,
): Promise<C> {
  if (config.redisUrl === undefined || config.redisPrefix !== undefined) return config
  if (database === undefined) {
    const { databaseUrl } = config
    return { ...config, redisPrefix: databaseUrl === undefined ? PLAIN_PREFIX : await askServer(databaseUrl) }
  }
  const redisPrefix = ofDeployment(await deploymentId(database))
  if (config.databaseUrl === undefined) writeFileSync(noteIn(config), `${redisPrefix}\n`, { mode: 0o600 })
  return { ...config, redisPrefix }
}

/** The same for a command that works with Redis only. Throws a plain Error for the operator. */
export async function redisPrefixOf(config: RedisSettings): Promise<string> {
  if (config.redisPrefix !== undefined) return config.redisPrefix
  if (config.databaseUrl !== undefined) return await askServer(config.databaseUrl)
  const note = noteIn(config)
  return existsSync(note) ? readFileSync(note, 'utf8').trim() : PLAIN_PREFIX
}

/** Throws a plain Error for a sidecar that would lose the keys which an earlier version stored under other names. */
export async function refuseForgetting(redis: RedisConnection, config: RedisSettings): Promise<void> {
  if (config.redisPrefix === PLAIN_PREFIX) return
  // The sidecar starts also when Redis is away or the search takes long.
  const found = await Promise.race([
    holdsAny(redis).catch(() => false),
    sleep(SEARCH_MS, false, { ref: false }),
  ])
  if (!found) return
  throw new Error(
    `Redis has keys under ${PLAIN_PREFIX}: of a version before, which this one would forget: set REDIS_PREFIX=${PLAIN_PREFIX} ` +
      `to go on with them, or REDIS_PREFIX=${config.redisPrefix ?? ''} if they are those of another sidecar`,
  )
}

/** Many keys of an earlier version are found at once. */
const SEARCH_MS = 2_000

async function holdsAny(redis: RedisConnection): Promise<boolean> {
  for await (const names of redis.scan(redisNames(PLAIN_PREFIX).records(undefined))) {
    if (names.length > 0) return true
  }
  return false
}

function ofDeployment(id: string): string {
  return `${PLAIN_PREFIX}:${id}`
}

function noteIn({ dataDir }: RedisSettings): string {
  return join(dataDir, 'redis-prefix')
}

async function askServer(url: string): Promise<string> {
  const database = openDatabase(url, { maxConnections: 1 })
  try {
    return ofDeployment(await deploymentId(database))
  } catch (error) {
    throw new Error(
      `the database of DATABASE_URL, which says how names in Redis begin, cannot be used: ${explainRefusal(error)}; or set REDIS_PREFIX`,
    )
  } finally {
    await database.close()
  }
}
