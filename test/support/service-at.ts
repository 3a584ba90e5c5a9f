import type { TestContext } from 'node:test'
import { redisUrl } from './servers.ts'
import { type Service, type Settings, startService } from './service.ts'

/** Settings for each place where keys may be. */
export const PLACES_OF_KEYS: Readonly<Record<string, Settings>> = {
  'keys in Redis': { REDIS_URL: redisUrl },
  'keys in Postgres': {},
}

/** A service on this database, until the test ends. */
export async function serviceAt(t: TestContext, databaseUrl: string, settings: Settings): Promise<Service> {
  const service = await startService({
    DATABASE_URL: databaseUrl,
    RATE_LIMITS: 'none',
    LOG_LEVEL: 'warn',
    ...settings,
  })
  t.after(() => service.kill())
  return service
}
