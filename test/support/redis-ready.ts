import { setTimeout as sleep } from 'node:timers/promises'
import type { RedisConnection } from '../../internal/database/redis.ts'

const PATIENCE_MS = 10_000

/** The connection, once it responds. */
export async function connected(connection: RedisConnection): Promise<RedisConnection> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      await connection.ping()
      return connection
    } catch (error) {
      if (Date.now() < end) {
        await sleep(20)
        continue
      }
      await connection.close()
      throw new Error('these tests need a Redis: set TEST_REDIS_URL', { cause: error })
    }
  }
}
