import { connectRedis } from '../../internal/database/redis.ts'
import { connected } from '../support/redis-ready.ts'
import { redisUrl } from '../support/servers.ts'
import { idempotencyStoreContract } from './idempotency-store.ts'
import { keysOnRedis } from './on-redis.ts'

idempotencyStoreContract('keys in Redis', async () => {
  const redis = await connected(connectRedis(redisUrl))
  return keysOnRedis(redis, () => redis.close())
})
