import { Redis } from 'ioredis'
import postgres from 'postgres'
import { PLAIN_PREFIX } from '../../internal/database/deployment.ts'
import { redisNames } from '../../internal/idempotency/redis-names.ts'
import { type OrderRow, readOrdersAt } from '../support/check-orders.ts'
import { PAYER } from './parties.ts'

const SIGNING = ['default', 'acme', 'strict']

export interface Effects {
  orders: OrderRow[]
  payments: number
  keys: number
  auditEntries: number
  /** Everything that is kept as text. */
  text: string
  /** What belongs to a client that never signed. */
  unknownClients(isOpen: boolean): string[]
}

/** What the requests have left behind, read without the service. */
export async function readEffects(databaseUrl: string, redisUrl: string | undefined): Promise<Effects> {
  const orders = await readOrdersAt(databaseUrl)
  const sql = postgres(databaseUrl, { max: 1 })
  try {
    const payments = await sql`SELECT client FROM payments`
    const audit = await sql`SELECT client, entry FROM audit_log`
    const keys = await sql`SELECT client, coalesce(encode(body, 'escape'), '') AS body FROM idempotency_keys`
    const inRedis = redisUrl === undefined ? [] : await clientsInRedis(redisUrl)
    const found = new Map<string, string>()
    for (const [what, rows] of Object.entries({
      order: orders,
      payment: payments,
      'audit entry': audit,
      key: keys,
    })) {
      for (const { client } of rows) found.set(client, what)
    }
    for (const client of inRedis) found.set(client, 'key')
    return {
      orders,
      payments: payments.length,
      keys: keys.length + inRedis.length,
      auditEntries: audit.length,
      text: [...audit.map(({ entry }) => entry), ...keys.map(({ body }) => body)].join('\n'),
      unknownClients(isOpen) {
        const known = new Set([...SIGNING, PAYER.user, ...(isOpen ? ['anonymous'] : [])])
        const isSimulated = (client: string) => isOpen && client.startsWith('simulation')
        return [...found]
          .filter(([client]) => !known.has(client) && !isSimulated(client))
          .map(([client, what]) => `there is a ${what} of ${client}, who never proved to be there`)
      },
    }
  } finally {
    await sql.end()
  }
}

async function clientsInRedis(url: string): Promise<string[]> {
  const redis = new Redis(url)
  try {
    const names = redisNames(PLAIN_PREFIX)
    const found = await redis.keys(names.records(undefined))
    return found.map((name) => names.recordOf(name).client)
  } finally {
    redis.disconnect()
  }
}
