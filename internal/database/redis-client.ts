import { Cluster, Redis, type RedisOptions } from 'ioredis'

/** Soon enough to be back within a second, slow enough not to hammer a Redis that is loading. */
const RECONNECT_MS = 200

/** `redis://`, `rediss://`, a comma list of them (Redis Cluster) or `redis+sentinel://h:p,h:p/name`. */
export function createClient(url: string, deadlineMs: number): Redis | Cluster {
  const common = {
    connectTimeout: deadlineMs,
    socketTimeout: deadlineMs,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  } satisfies RedisOptions
  // No auto-pipelining: calls of a script that come together are one command already, and it would wrap each of them
  // (measured: 8 % of the processor for a new order, 15 % for a replay).
  const alone = {
    ...common,
    enableOfflineQueue: false,
    retryStrategy: () => RECONNECT_MS,
    // A failover leaves us on a replica: a new connection finds the new primary.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions
  if (hasSentinels(url)) return new Redis({ ...alone, ...sentinel(url, deadlineMs) })
  const nodes = url.split(',').map((node) => node.trim())
  const [first = url] = nodes
  if (!isCluster(url)) return new Redis(first, alone)
  const { username, password, protocol } = new URL(first)
  return new Cluster(nodes, {
    enableOfflineQueue: false,
    clusterRetryStrategy: () => RECONNECT_MS,
    // A node that hangs must not keep us from asking another one.
    slotsRefreshTimeout: deadlineMs / 4,
    redisOptions: {
      ...common,
      // There calls of many slots are commands of their own.
      enableAutoPipelining: true,
      ...(username ? { username: decodeURIComponent(username) } : {}),
      ...(password ? { password: decodeURIComponent(password) } : {}),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
    },
  })
}

export function hasSentinels(url: string): boolean {
  return url.startsWith('redis+sentinel://')
}

export function isCluster(url: string): boolean {
  return url.includes(',') && !hasSentinels(url)
}

function sentinel(url: string, deadlineMs: number) {
  const { sentinels, name, username, password } = parseSentinelUrl(url)
  return {
    sentinels,
    name,
    // A sentinel that hangs must not keep us from asking the next one.
    sentinelCommandTimeout: deadlineMs / 4,
    sentinelRetryStrategy: () => RECONNECT_MS,
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
  }
}

export interface Sentinels {
  sentinels: { host: string; port: number }[]
  /** What they call the primary. */
  name: string
  username: string | undefined
  password: string | undefined
}

export function parseSentinelUrl(url: string): Sentinels {
  const [authority = '', name = ''] = url.slice('redis+sentinel://'.length).split('/')
  const [hosts = '', credentials = ''] = authority.split('@').reverse()
  const [username, password] = credentials.split(':').map((part) => decodeURIComponent(part))
  const sentinels = hosts.split(',').map((host) => {
    const { hostname, port } = new URL(`redis://${host}`)
    return { host: hostname, port: Number(port || 26379) }
  })
  return { sentinels, name, username, password }
}
