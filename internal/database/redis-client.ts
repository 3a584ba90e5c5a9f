import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { refusalText } from './redis-refusals.ts'

/** Short enough to reconnect within a second, long enough not to overload a Redis that is loading. */
const RECONNECT_MS = 200

/** Paths of PEM files. `ca`: the CA of the server certificate; by default the CAs that Node.js trusts. */
export interface RedisTls {
  ca?: string | undefined
  /** The client certificate, and its key. */
  cert?: string | undefined
  key?: string | undefined
}

/**
 * Creates a client for `redis://`, `rediss://`, several of them separated by commas (Redis Cluster), or
 * `redis+sentinel://h:p,h:p/name` (`rediss+sentinel://`).
 */
export function createClient(url: string, deadlineMs: number, files: RedisTls = {}): Redis | Cluster {
  const { tls } = encryption(url, files)
  const common = {
    connectTimeout: deadlineMs,
    socketTimeout: deadlineMs,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // Disables CLIENT SETINFO, which the user of docs/engines.md has no right for: each connection would be in the ACL LOG.
    disableClientInfo: true,
    ...(tls === undefined ? {} : { tls }),
  } satisfies RedisOptions
  // No auto-pipelining: concurrent calls of a script already share a command, and pipelining costs 8 % of the CPU for a
  // new order and 15 % for a replay (measured).
  const alone = {
    ...common,
    enableOfflineQueue: false,
    retryStrategy: () => RECONNECT_MS,
    // After a failover the connection may be to a replica; a new connection finds the new primary.
    reconnectOnError: (error: Error) => refusalText(error.message).startsWith('READONLY'),
  } satisfies RedisOptions
  if (hasSentinels(url)) return new Redis({ ...alone, ...sentinel(url, deadlineMs, tls) })
  const nodes = url.split(',').map((node) => node.trim())
  const [first = url] = nodes
  if (!isCluster(url)) return new Redis(first, alone)
  const { username, password } = new URL(first)
  return new Cluster(nodes, {
    enableOfflineQueue: false,
    // Keeps host names, because certificates are issued for names and not for addresses.
    dnsLookup: (host, resolved) => resolved(null, host),
    clusterRetryStrategy: () => RECONNECT_MS,
    // A node that hangs must not prevent a query to another one.
    slotsRefreshTimeout: deadlineMs / 4,
    redisOptions: {
      ...common,
      // In a cluster, calls of different slots are separate commands.
      enableAutoPipelining: true,
      ...(username ? { username: decodeURIComponent(username) } : {}),
      ...(password ? { password: decodeURIComponent(password) } : {}),
    },
  })
}

/** `tls` if the URL requires it. The files are read at each connection, so that renewed certificates are used. */
export function encryption(url: string, { ca, cert, key }: RedisTls): { tls?: ConnectionOptions } {
  if (!/^rediss(\+sentinel)?:/.test(url)) return {}
  return {
    tls: {
      get ca() {
        return ca === undefined ? undefined : readFileSync(ca)
      },
      get cert() {
        return cert === undefined ? undefined : readFileSync(cert)
      },
      get key() {
        return key === undefined ? undefined : readFileSync(key)
      },
    },
  }
}

export function hasSentinels(url: string): boolean {
  return SENTINEL.test(url)
}

const SENTINEL = /^rediss?\+sentinel:\/\//

export function isCluster(url: string): boolean {
  return url.includes(',') && !hasSentinels(url)
}

function sentinel(url: string, deadlineMs: number, tls: ConnectionOptions | undefined) {
  const { sentinels, name, username, password } = parseSentinelUrl(url)
  return {
    sentinels,
    name,
    // A sentinel that hangs must not prevent a query to the next one.
    sentinelCommandTimeout: deadlineMs / 4,
    sentinelRetryStrategy: () => RECONNECT_MS,
    ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
  }
}

export interface Sentinels {
  sentinels: { host: string; port: number }[]
  /** The name of the primary in the sentinels. */
  name: string
  username: string | undefined
  password: string | undefined
}

export function parseSentinelUrl(url: string): Sentinels {
  const [authority = '', name = ''] = url.replace(SENTINEL, '').split('/')
  const [hosts = '', credentials = ''] = authority.split('@').reverse()
  const [username, password] = credentials.split(':').map((part) => decodeURIComponent(part))
  const sentinels = hosts.split(',').map((host) => {
    const { hostname, port } = new URL(`redis://${host}`)
    return { host: hostname, port: Number(port || 26379) }
  })
  return { sentinels, name, username, password }
}
