import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { refusalText } from './redis-refusals.ts'

/** Soon enough to be back within a second, slow enough not to hammer a Redis that is loading. */
const RECONNECT_MS = 200

/** Paths of PEM files. `ca`: who signs the certificate of the server; left out, those that Node.js trusts. */
export interface RedisTls {
  ca?: string | undefined
  /** Of this client, and its key. */
  cert?: string | undefined
  key?: string | undefined
}

/** `redis://`, `rediss://`, a comma list of them (Redis Cluster) or `redis+sentinel://h:p,h:p/name` (`rediss+sentinel://`). */
export function createClient(url: string, deadlineMs: number, files: RedisTls = {}): Redis | Cluster {
  const { tls } = encryption(url, files)
  const common = {
    connectTimeout: deadlineMs,
    socketTimeout: deadlineMs,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // CLIENT SETINFO: a user with the rights of docs/engines.md would have each connection in the ACL LOG.
    disableClientInfo: true,
    ...(tls === undefined ? {} : { tls }),
  } satisfies RedisOptions
  // No auto-pipelining: calls of a script that come together are one command already, and it would wrap each of them
  // (measured: 8 % of the processor for a new order, 15 % for a replay).
  const alone = {
    ...common,
    enableOfflineQueue: false,
    retryStrategy: () => RECONNECT_MS,
    // A failover leaves us on a replica: a new connection finds the new primary.
    reconnectOnError: (error: Error) => refusalText(error.message).startsWith('READONLY'),
  } satisfies RedisOptions
  if (hasSentinels(url)) return new Redis({ ...alone, ...sentinel(url, deadlineMs, tls) })
  const nodes = url.split(',').map((node) => node.trim())
  const [first = url] = nodes
  if (!isCluster(url)) return new Redis(first, alone)
  const { username, password } = new URL(first)
  return new Cluster(nodes, {
    enableOfflineQueue: false,
    // Otherwise it goes on with addresses, for which no certificate is made out.
    dnsLookup: (host, resolved) => resolved(null, host),
    clusterRetryStrategy: () => RECONNECT_MS,
    // A node that hangs must not keep us from asking another one.
    slotsRefreshTimeout: deadlineMs / 4,
    redisOptions: {
      ...common,
      // There calls of many slots are commands of their own.
      enableAutoPipelining: true,
      ...(username ? { username: decodeURIComponent(username) } : {}),
      ...(password ? { password: decodeURIComponent(password) } : {}),
    },
  })
}

/** `tls` where the URL asks for it. The files are read at each connection, so that renewed certificates are used. */
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
    // A sentinel that hangs must not keep us from asking the next one.
    sentinelCommandTimeout: deadlineMs / 4,
    sentinelRetryStrategy: () => RECONNECT_MS,
    ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
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
  const [authority = '', name = ''] = url.replace(SENTINEL, '').split('/')
  const [hosts = '', credentials = ''] = authority.split('@').reverse()
  const [username, password] = credentials.split(':').map((part) => decodeURIComponent(part))
  const sentinels = hosts.split(',').map((host) => {
    const { hostname, port } = new URL(`redis://${host}`)
    return { host: hostname, port: Number(port || 26379) }
  })
  return { sentinels, name, username, password }
}
