import { randomInt } from 'node:crypto'
import postgres from 'postgres'
import { load } from '../bench/load.ts'
import { startService } from '../support/service.ts'
import { filledOrder } from './filled-order.ts'
import { GROWTH_PATHS, type Side } from './growth-paths.ts'

/** What the next to empty side has: enough that requests do not meet the same one all the time. */
const FEW = 2_000

interface Stores {
  database: string
  redis: string
}

export interface SidesOptions {
  store: 'redis' | 'postgres'
  clientsFile: string
  /** The numbers of the orders that are live on the full side. */
  range: { from: number; to: number }
  empty: Stores
  full: Stores
}

/** A service on each of both; the first one with a few orders, which are placed now. */
export async function openSides({ store, clientsFile, range, empty, full }: SidesOptions) {
  const start = ({ database, redis }: Stores) =>
    startService({
      ...{ DATABASE_URL: database, CLIENTS_FILE: clientsFile, RATE_LIMITS: 'none', LOG_FILE: '/dev/null' },
      ...{ REDIS_URL: redis, IDEMPOTENCY_STORE: store },
    })
  const [few, many] = [await start(empty), await start(full)]
  const placed = await placeFew(few.port, empty.database)
  const pair: [Side, Side] = [
    {
      name: 'empty',
      port: few.port,
      pid: few.pid,
      live: () => filledOrder(randomInt(FEW)),
      placed: () => placed[randomInt(placed.length)] ?? filledOrder(0),
    },
    {
      name: 'full',
      port: many.port,
      pid: many.pid,
      live: () => filledOrder(randomInt(range.from, range.to)),
      placed: () => filledOrder(randomInt(range.to)),
    },
  ]
  return { pair, close: async () => void (await Promise.all([few.kill(), many.kill()])) }
}

async function placeFew(port: number, database: string): Promise<{ client: string; id: string }[]> {
  const [, replay] = GROWTH_PATHS
  if (replay === undefined) throw new Error('the second path places an order')
  let n = 0
  const side = { name: 'empty', port, pid: 0, live: () => filledOrder(n++), placed: () => filledOrder(0) }
  const next = () => (n < FEW ? replay.request(side) : undefined)
  while (n < FEW) await load({ port, connections: 16, durationMs: 60_000, next, expected: 201 })
  const sql = postgres(database, { max: 1 })
  const rows = await sql<{ client: string; id: string }[]>`SELECT client, id FROM orders`
  await sql.end()
  return rows
}
