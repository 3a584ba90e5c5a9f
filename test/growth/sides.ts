import { randomInt } from 'node:crypto'
import { startService } from '../support/service.ts'
import { filledOrder } from './filled-order.ts'
import type { Side } from './growth-paths.ts'

interface Stores {
  database: string
  redis: string
  /** It has the orders 0 to `orders` - 1, and the newest of them have live keys. */
  orders: number
  keys: number
}

export interface SidesOptions {
  store: 'redis' | 'postgres'
  clientsFile: string
  few: Stores
  full: Stores
}

/** A service on each of both. */
export async function openSides({ store, clientsFile, few, full }: SidesOptions) {
  const open = async (name: string, { database, redis, orders, keys }: Stores) => {
    const service = await startService({
      DATABASE_URL: database,
      CLIENTS_FILE: clientsFile,
      RATE_LIMITS: 'none',
      LOG_FILE: '/dev/null',
      REDIS_URL: redis,
      IDEMPOTENCY_STORE: store,
    })
    const side: Side = {
      name,
      port: service.port,
      pid: service.pid,
      live: () => filledOrder(randomInt(orders - keys, orders)),
      placed: () => filledOrder(randomInt(orders)),
    }
    return { service, side }
  }
  const both = [await open('few', few), await open('full', full)] as const
  const pair: [Side, Side] = [both[0].side, both[1].side]
  return { pair, close: async () => void (await Promise.all(both.map(({ service }) => service.kill()))) }
}
