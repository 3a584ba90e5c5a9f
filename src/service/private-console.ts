import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Config } from '../config/config.ts'
import { clientLimits, openLimiter } from '../runtime/limits.ts'
import { openClients } from '../runtime/open-clients.ts'
import { bringUpToDate, openRedis, reachableDatabase, whileReachable } from '../runtime/open-stores.ts'
import { withRedisPrefix } from '../runtime/redis-prefix.ts'
import type { PrivateConsole } from '../runtime/running.ts'
import { operatorConsole } from './console.ts'

export async function openPrivateConsole(settings: Config, logger: Logger): Promise<PrivateConsole> {
  // The workers report it.
  const progress = () => {}
  const database = await reachableDatabase(settings, progress, (text) => logger.warn(text))
  const config = await whileReachable(async () => {
    await bringUpToDate(database, logger)
    return await withRedisPrefix(settings, database)
  }, progress)
  const redis = await openRedis(config, logger)
  const limiter = openLimiter({ config, redis, logger })
  // For their limits. The workers log changes.
  const clientsIn = openClients(config, { info() {}, error: logger.error.bind(logger) })
  const clients = await whileReachable(() => clientsIn(database), progress)
  const ownLimits = clientLimits(clients, logger)
  return {
    console: operatorConsole({ config, database, redis, limiter, ownLimits }),
    async close() {
      await clients.close()
      await redis?.close()
      await database.close()
    },
  }
}
