import type { Database } from './database.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './redis-script.ts'

const REHEARSE = loadScript(new URL('./rehearse.lua', import.meta.url))
/** One hash tag in each eighth of the slots, because each node of a cluster serves only a part of them. */
const TAGS = ['rd', 'r1', 'ra', 'r0', 'rb', 'r3', 'rc', 'r2']

/**
 * Checks that the database accepts the writes of an order (`orders`), or only those of a key: it writes them and rolls
 * them back. Rejects like `run`. It is an INSERT, because poolers detect writes by the first word of a statement.
 */
export async function rehearseDatabase(database: Database, what: 'orders' | 'keys'): Promise<void> {
  await database.run(
    (sql) => sql`
      INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at)
      SELECT '', '', '', '', 'in_progress', '', 1, now(), now()
      FROM oncekey_rehearse(${what === 'orders'}) AS rehearsed WHERE NOT rehearsed`,
  )
}

/** Runs the commands of the scripts of an order, with separate keys, on the nodes of a cluster. Rejects like `run`. */
export async function rehearseRedis(redis: RedisConnection, prefix: string): Promise<void> {
  await Promise.all(TAGS.map((tag) => redis.run(REHEARSE, [`${prefix}:ready:{${tag}}`], [])))
}
