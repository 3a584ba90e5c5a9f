import type { RedisEngine } from './redis.ts'

export const MIN_REDIS = [6, 2] as const

/** Whether the scripts of the service run there. */
export function isSupported({ redisVersion }: Pick<RedisEngine, 'redisVersion'>): boolean {
  const [major = 0, minor = 0] = redisVersion.split('.').map(Number)
  return major > MIN_REDIS[0] || (major === MIN_REDIS[0] && minor >= MIN_REDIS[1])
}
