import { after } from 'node:test'
import { connectRedis, type RedisConnection } from '../../internal/database/redis.ts'
import { MemoryLimiter } from '../../internal/ratelimit/memory-limiter.ts'
import { RedisLimiter } from '../../internal/ratelimit/redis-limiter.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { connected } from '../support/redis-ready.ts'
import { redisUrl } from '../support/servers.ts'
import { limiterContract } from './limiter.ts'

const connections: RedisConnection[] = []
const cluster = await startRedisCluster({ masters: 3 })
after(async () => {
  for (const connection of connections) await connection.close()
  await cluster.stop()
})

async function connect(url: string): Promise<RedisConnection> {
  const connection = await connected(connectRedis(url))
  connections.push(connection)
  return connection
}

const redis = await connect(redisUrl)
const clustered = await connect(cluster.url)

limiterContract('the limiter in this process', { create: (now) => new MemoryLimiter({ now }) })
limiterContract('the limiter in Redis', { create: (now) => new RedisLimiter(redis, { now }) })
limiterContract('the limiter in Redis Cluster', { create: (now) => new RedisLimiter(clustered, { now }) })
