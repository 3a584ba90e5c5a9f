import { createDatabase, startPostgres, startRedis, type ThrowawayServer } from '../support/servers.ts'
import type { Service } from '../support/service.ts'

/** What all contestants share; each has a database and a Redis database of its own. */
export interface BenchServers {
  redis: ThrowawayServer
  postgres: ThrowawayServer
  /** A new one, as a URL. */
  database: () => Promise<string>
  /** One of its own for each of the last 16 that asked, as a URL. */
  redisDatabase: () => string
  /** Of the backend behind the forwarders, as a URL; started when it is first asked for. */
  backend: (start: () => Promise<Service>) => Promise<string>
  close: () => Promise<void>
}

/** Redis has so many unless it is told otherwise. */
const REDIS_DATABASES = 16

export async function openBenchServers(): Promise<BenchServers> {
  // Figures without fsync would be those of a database that is not used in production.
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres(['fsync = on'])])
  let taken = 0
  let backend: Promise<Service> | undefined
  return {
    redis,
    postgres,
    database: async () => (await createDatabase(postgres.url)).url,
    redisDatabase: () => `${redis.url}/${taken++ % REDIS_DATABASES}`,
    async backend(start) {
      backend ??= start()
      return (await backend).url
    },
    async close() {
      await Promise.all([redis.stop(), postgres.stop(), backend?.then((service) => service.stop())])
    },
  }
}
