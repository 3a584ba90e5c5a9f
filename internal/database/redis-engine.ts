export interface RedisEngine {
  /** Name and version: Redis, Valkey, KeyDB, Redict or Dragonfly. */
  name: string
  /** The version of Redis with which it is compatible. */
  redisVersion: string
  /** KeyDB with active replication: two servers accept writes and replicate each other. */
  isActiveReplica: boolean
}

const MIN_REDIS = [6, 2] as const

/** Parses the response of INFO. */
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

/** Why the service cannot keep its promises with this engine, and what to do; undefined if it can. */
export function engineFault(engine: RedisEngine): string | undefined {
  const [major = 0, minor = 0] = engine.redisVersion.split('.').map(Number)
  if (major < MIN_REDIS[0] || (major === MIN_REDIS[0] && minor < MIN_REDIS[1]) || Number.isNaN(major))
    return `Redis ${MIN_REDIS.join('.')} or newer is required`
  if (engine.isActiveReplica)
    return 'with active-replica two servers accept writes, and a key could be claimed on both: set active-replica no'
  return undefined
}
