import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { storeUnavailable, withDeadline } from './deadline.ts'

/** A Lua script by its text; every key it touches is given in KEYS and all of them share one hash tag. */
export interface RedisScript {
  readonly lua: string
  /** Lowercase hex SHA-1 of the text: what EVALSHA wants. */
  readonly sha: string
}

export function loadScript(file: URL): RedisScript {
  const lua = readFileSync(file, 'utf8')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

export interface RedisConnection {
  /**
   * Runs the script once. The reply as Redis gave it: numbers, Buffers, null, arrays of these.
   * Rejects with ServiceError `store_unavailable` within the deadline when Redis is away, hangs, is read-only or
   * out of memory; its `effect` is unknown if the script may have run. It is never sent a second time, except
   * after NOSCRIPT, which says that it did not run.
   */
  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown>
  /**
   * The keys that match a glob pattern, a few at a time, on every master of a cluster. What is there all the time is
   * given at least once; Redis may give a key twice. For operators: Redis looks at every key it has.
   */
  scan(match: string): AsyncIterable<readonly string[]>
  /** Resolves when Redis answers PING within the deadline; rejects with `store_unavailable`. */
  ping(): Promise<void>
  /** What the server says of itself; its clock as Unix milliseconds. */
  server(): Promise<{ version: string; clockMs: number }>
  /** `maxmemory-policy`, or undefined where CONFIG is not allowed (managed services). */
  evictionPolicy(): Promise<string | undefined>
  close(): Promise<void>
}

export interface RedisConnectionOptions {
  /** A command without an answer for this long fails and its connection is replaced. */
  deadlineMs?: number
  onState?: (state: 'ready' | 'lost', cause?: Error) => void
}

/** Two deadlines in a row (limits, then claim) must stay under the three seconds that a partner is promised. */
const DEADLINE_MS = 1_000
/** Soon enough to be back within a second, slow enough not to hammer a Redis that is loading. */
const RECONNECT_MS = 200
/** Keys that Redis looks at in one step of a scan: a millisecond at most, so that others hardly wait. */
const SCAN_COUNT = 1_000

/**
 * Connects to `redis://`, `rediss://`, a comma list of them (Redis Cluster) or `redis+sentinel://h:p,h:p/name`.
 * Returns at once and goes on trying to connect until closed. While there is no connection, commands are refused
 * at once (no offline queue); a hung one is cut at the deadline. That is all the circuit breaking there is.
 */
export function connectRedis(url: string, options: RedisConnectionOptions = {}): RedisConnection {
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS
  const client = createClient(url, deadlineMs)
  const scripts = withBufferReplies(client)
  let lastError: Error | undefined
  let announced: 'ready' | 'lost' | undefined
  const announce = (state: 'ready' | 'lost') => {
    if (announced === state) return
    announced = state
    options.onState?.(state, state === 'lost' ? lastError : undefined)
  }
  client.on('error', (error: Error) => {
    lastError = error
  })
  client.on('ready', () => {
    lastError = undefined
    announce('ready')
  })
  client.on('close', () => announce('lost'))

  const send = async <T>(command: () => Promise<T>): Promise<T> => {
    if (client.status !== 'ready') throw storeUnavailable(lastError, 'none')
    try {
      return await withDeadline(command(), deadlineMs, 'Redis')
    } catch (error) {
      throw asStoreError(error)
    }
  }

  return {
    async run(script, keys, args) {
      try {
        return await send(() => scripts.evalshaBuffer(script.sha, keys.length, ...keys, ...args))
      } catch (error) {
        if (!isReply(error, 'NOSCRIPT')) throw error
        return await send(() => scripts.evalBuffer(script.lua, keys.length, ...keys, ...args))
      }
    },
    async *scan(match) {
      await send(() => client.ping())
      for (const node of client instanceof Cluster ? client.nodes('master') : [client]) {
        let cursor = '0'
        do {
          const [next, keys] = await send(() => node.scan(cursor, 'MATCH', match, 'COUNT', SCAN_COUNT))
          cursor = next
          if (keys.length > 0) yield keys
        } while (cursor !== '0')
      }
    },
    async ping() {
      await send(() => client.ping())
    },
    async server() {
      const [seconds = 0, micros = 0] = await send(() => client.time())
      const info = await send(() => client.info('server'))
      return {
        version: /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown',
        clockMs: Number(seconds) * 1000 + Math.floor(Number(micros) / 1000),
      }
    },
    async evictionPolicy() {
      try {
        const reply = await send(() => client.config('GET', 'maxmemory-policy'))
        return Array.isArray(reply) ? String(reply[1]) : undefined
      } catch {
        return undefined
      }
    },
    async close() {
      announced = 'lost'
      client.disconnect()
    },
  }
}

function createClient(url: string, deadlineMs: number): Redis | Cluster {
  const common = {
    connectTimeout: deadlineMs,
    socketTimeout: deadlineMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableAutoPipelining: true,
    retryStrategy: () => RECONNECT_MS,
    // A failover leaves us on a replica: a new connection finds the new primary.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions
  if (url.startsWith('redis+sentinel://')) return new Redis({ ...common, ...sentinel(url) })
  const nodes = url.split(',').map((node) => node.trim())
  const [first = url] = nodes
  if (nodes.length === 1) return new Redis(first, common)
  const { username, password, protocol } = new URL(first)
  return new Cluster(nodes, {
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    clusterRetryStrategy: () => RECONNECT_MS,
    redisOptions: {
      connectTimeout: deadlineMs,
      socketTimeout: deadlineMs,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      ...(username ? { username: decodeURIComponent(username) } : {}),
      ...(password ? { password: decodeURIComponent(password) } : {}),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
    },
  })
}

function sentinel(url: string) {
  const [authority = '', name = ''] = url.slice('redis+sentinel://'.length).split('/')
  const [hosts = '', credentials = ''] = authority.split('@').reverse()
  const [username, password] = credentials.split(':').map((part) => decodeURIComponent(part))
  return {
    sentinels: hosts.split(',').map((host) => {
      const { hostname, port } = new URL(`redis://${host}`)
      return { host: hostname, port: Number(port || 26379) }
    }),
    name,
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
  }
}

type ScriptCall = (
  text: string,
  keyCount: number,
  ...keysAndArgs: (string | number | Buffer)[]
) => Promise<unknown>

/** ioredis has these at run time, its types name them only without the suffix. (`callBuffer` breaks under auto-pipelining.) */
interface BufferScripts {
  evalshaBuffer: ScriptCall
  evalBuffer: ScriptCall
}

function hasBufferScripts(client: object): client is BufferScripts {
  return 'evalshaBuffer' in client && 'evalBuffer' in client
}

function withBufferReplies(client: object): BufferScripts {
  if (!hasBufferScripts(client))
    throw new Error('this version of ioredis cannot run scripts with binary replies')
  return client
}

function isReply(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.startsWith(code)
}

/** Replies that say that Redis did not run the command. */
const REFUSED = [
  'OOM',
  'READONLY',
  'LOADING',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'NOAUTH',
  'NOPERM',
  'MISCONF',
  'NOREPLICAS',
  'BUSY',
]

function asStoreError(error: unknown): unknown {
  if (!(error instanceof Error) || error.name === 'ServiceError') return error
  // A script that Redis itself could not compile or run is a defect of ours, not an outage.
  if (error.name === 'ReplyError' && !REFUSED.some((code) => isReply(error, code))) return error
  return storeUnavailable(error, error.name === 'ReplyError' ? 'none' : 'unknown')
}
