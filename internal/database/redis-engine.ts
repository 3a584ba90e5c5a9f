export interface RedisEngine {
  /** As it calls itself: Redis, Valkey, KeyDB, Redict or Dragonfly, each with its own version. */
  name: string
  /** The version of Redis that it speaks. */
  redisVersion: string
  /** KeyDB: it takes writes beside another server, and each copies those of the other. */
  isActiveReplica: boolean
}

const MIN_REDIS = [6, 2] as const

/** What INFO says of the server. */
export function parseInfo(info: string): RedisEngine {
  const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
  const redisVersion = field('redis_version') ?? 'unknown'
  const own = [
    ['Valkey', field('valkey_version')],
    ['Redict', field('redict_version')],
    ['Dragonfly', field('dragonfly_version')],
    ['KeyDB', /keydb|^mvcc_depth:/m.test(info) ? redisVersion : undefined],
  ] as const
  const [name, version] = own.find(([, one]) => one !== undefined) ?? ['Redis', redisVersion]
  return { name: `${name} ${version}`, redisVersion, isActiveReplica: field('role') === 'active-replica' }
}

/** Why the service keeps no promise there, and what to do; undefined: it does. */
export function engineFault(engine: RedisEngine): string | undefined {
  const [major = 0, minor = 0] = engine.redisVersion.split('.').map(Number)
  if (major < MIN_REDIS[0] || (major === MIN_REDIS[0] && minor < MIN_REDIS[1]) || Number.isNaN(major))
    return `Redis ${MIN_REDIS.join('.')} or newer is needed`
  if (engine.isActiveReplica)
    return 'with active-replica two servers take writes, and one key could be claimed at both: set active-replica no'
  return undefined
}
