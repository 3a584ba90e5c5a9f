import type Router from '@koa/router'
import type { RequestState } from '../internal/request-state.ts'
import type { Logger } from '../internal/telemetry/logger.ts'
import type { Config } from './config.ts'
import { operatorConsole } from './console.ts'
import { openLimiter } from './limits.ts'
import { openRedis, reachableDatabase } from './open-stores.ts'

/** The console of a process that serves no requests itself, over connections of its own. */
export interface PrivateConsole {
  console: Router<RequestState>
  close(): Promise<void>
}

export async function openPrivateConsole(config: Config, logger: Logger): Promise<PrivateConsole> {
  const database = await reachableDatabase(config, () => {})
  const redis = config.redisUrl === undefined ? undefined : await openRedis(config.redisUrl, logger)
  const limiter = openLimiter({ config, redis, logger })
  return {
    console: operatorConsole({ config, database, redis, limiter }),
    async close() {
      await redis?.close()
      await database.close()
    },
  }
}
