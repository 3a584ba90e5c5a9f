import { after } from 'node:test'
import { Redis } from 'ioredis'
import { connectRedis, type RedisConnection } from '../../internal/database/redis.ts'
import { connected } from './redis-ready.ts'
import { startRedis, type ThrowawayServer } from './servers.ts'

export interface OwnRedis {
  server: ThrowawayServer
  redis: RedisConnection
  /** For commands that the service has no use for. */
  raw: Redis
}

/** A Redis for this file alone, which may stop, empty and kill it, until its tests have ended. */
export async function startOwnRedis(options?: Parameters<typeof connectRedis>[1]): Promise<OwnRedis> {
  const server = await startRedis()
  const redis = await connected(connectRedis(server.url, options))
  const raw = new Redis(server.url, { lazyConnect: true })
  after(async () => {
    raw.disconnect()
    await redis.close()
    await server.stop()
  })
  return { server, redis, raw }
}
