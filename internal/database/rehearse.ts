import type { Database } from './database.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './redis-script.ts'

const REHEARSE = loadScript(new URL('./rehearse.lua', import.meta.url))
/** One in each eighth of the slots of a cluster, of which one node alone serves a part. */
const TAGS = ['rd', 'r1', 'ra', 'r0', 'rb', 'r3', 'rc', 'r2']

/**
 * Writes what an order writes (`orders`), or only what a key writes, and takes it back; resolves if that would have been
 * committed. Rejects as `run` does. It is an INSERT, since poolers tell by the first word whether a statement writes.
 */
export async function rehearseDatabase(database: Database, what: 'orders' | 'keys'): Promise<void> {
  await database.run(
    (sql) => sql`
      INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at)
      SELECT '', '', '', '', 'in_progress', '', 1, now(), now()
      FROM oncekey_rehearse(${what === 'orders'}) AS rehearsed WHERE NOT rehearsed`,
  )
}

/** Does what the scripts of an order do, under names of its own, in every part of a cluster. Rejects as `run` does. */
export async function rehearseRedis(redis: RedisConnection, prefix: string): Promise<void> {
  await Promise.all(TAGS.map((tag) => redis.run(REHEARSE, [`${prefix}:ready:{${tag}}`], [])))
}
