import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createDatabase, startPostgres, startRedis, type ThrowawayServer } from '../support/servers.ts'

/** What all contestants share: each has a database and a Redis database of its own. */
export interface Stage {
  redis: ThrowawayServer
  postgres: ThrowawayServer
  /** A new one. */
  database: () => Promise<string>
  /** A new one, as a URL. */
  redisDatabase: () => string
  /** For the report: with which settings. */
  settings: string
  close: () => Promise<void>
}

/** Redis has 16 databases unless it is told otherwise. */
const REDIS_DATABASES = 16

export async function openStage(): Promise<Stage> {
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres(['fsync = on'])])
  let taken = 0
  return {
    redis,
    postgres,
    database: async () => (await createDatabase(postgres.url)).url,
    redisDatabase: () => `${redis.url}/${taken++ % REDIS_DATABASES}`,
    settings:
      `PostgreSQL with its defaults (fsync on, synchronous_commit on, shared_buffers 128 MB) on ${fileSystem()}; ` +
      'Redis without persistence, noeviction',
    async close() {
      await Promise.all([redis.stop(), postgres.stop()])
    },
  }
}

/** fsync costs nothing in memory. */
function fileSystem(): string {
  const names: Record<number, string> = { 16914836: 'tmpfs', 61267: 'ext4', 2035054128: 'overlayfs' }
  const { type } = statfsSync(tmpdir())
  return names[type] ?? `a file system of type 0x${type.toString(16)}`
}
