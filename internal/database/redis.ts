import { Cluster, Redis } from 'ioredis'
import { ClusterRoutes, NoNodeError, SplitSlotError } from './cluster-routes.ts'
import { storeUnavailable, withDeadline } from './deadline.ts'
import { groupCalls } from './group-commit.ts'
import { keySlot } from './key-slot.ts'
import { createClient, encryption, hasSentinels, type RedisTls } from './redis-client.ts'
import { parseInfo, type RedisEngine } from './redis-engine.ts'
import { LACKS_COMMAND, LACKS_RIGHT, refusalText } from './redis-refusals.ts'
import { callAll, type RedisScript, responsesOf, type ScriptCall } from './redis-script.ts'
import { watchSentinels } from './watch-sentinels.ts'

export interface RedisConnection {
  /**
   * Runs the script once; calls of the same script at the same time share a command. Resolves to what the script returns:
   * numbers, texts, Buffers where it says so, lists of these.
   * Rejects with ServiceError `store_unavailable` within the deadline when Redis is away, hangs, is read-only or
   * out of memory; its `effect` is unknown if the script may have run. It is never sent a second time, except
   * after NOSCRIPT, which says that it did not run.
   */
  run(script: RedisScript, keys: readonly string[], args: ScriptCall['args']): Promise<unknown>
  /** The same, and resolves to what `parse` makes of what the script returns. */
  ask<T>(
    script: RedisScript,
    keys: readonly string[],
    args: ScriptCall['args'],
    parse: (reply: unknown) => T,
  ): Promise<T>
  /**
   * The keys that match a glob pattern, a few at a time, on every master of a cluster. What is there all the time is
   * given at least once; Redis may give a key twice. For operators: Redis looks at every key it has.
   */
  scan(match: string): AsyncIterable<readonly string[]>
  /** Resolves when Redis responds to PING within the deadline; rejects with `store_unavailable`. */
  ping(): Promise<void>
  /** What the server, or each master of a cluster, says of itself. */
  servers(): Promise<RedisServer[]>
  close(): Promise<void>
}

export interface RedisServer {
  /** `host:port`. */
  address: string
  /** undefined where INFO is not allowed. */
  engine: RedisEngine | undefined
  /** Its clock, Unix milliseconds. */
  clockMs: number
  /** `maxmemory-policy`, or undefined where CONFIG is not allowed (managed services). */
  evictionPolicy: string | undefined
}

export interface RedisConnectionOptions {
  /** A command without a response for this long fails and its connection is replaced. */
  deadlineMs?: number
  onState?: (state: 'ready' | 'lost', cause?: Error) => void
  /** For `rediss://`. */
  tls?: RedisTls
}

/** Two deadlines in a row (limits, then claim) must stay under the three seconds that a partner is promised. */
const DEADLINE_MS = 1_000
/** Keys that Redis looks at in one step of a scan: a millisecond at most, so that others hardly wait. */
const SCAN_COUNT = 1_000

/**
 * Connects to `redis://`, `rediss://`, a comma list of them (Redis Cluster) or `redis+sentinel://h:p,h:p/name`.
 * Returns at once and goes on trying to connect until closed. While there is no connection, commands are refused
 * at once (no offline queue); a hung one is cut at the deadline. That is all the circuit breaking there is.
 *
 * @throws Error for a URL that cannot be understood.
 * @example const redis = connectRedis('redis://127.0.0.1:6379')
 */
export function connectRedis(url: string, options: RedisConnectionOptions = {}): RedisConnection {
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS
  const client = createClient(url, deadlineMs, options.tls)
  const nodes = client instanceof Cluster ? new ClusterRoutes(client, deadlineMs) : theOnly(client)
  const grouping = client instanceof Cluster ? { ...GROUPING, ...OF_A_CLUSTER } : GROUPING
  let lastError: Error | undefined
  let announced: 'ready' | 'lost' | undefined
  const announce = (state: 'ready' | 'lost') => {
    if (announced === state) return
    announced = state
    options.onState?.(state, state === 'lost' ? lastError : undefined)
  }
  client.on('error', (error: Error) => {
    lastError = explained(error, url)
  })
  // Of one node of a cluster.
  client.on('node error', (error: Error) => {
    if (client.status !== 'ready') lastError = error
  })
  client.on('ready', () => {
    lastError = undefined
    announce('ready')
  })
  client.on('close', () => {
    if (client instanceof Cluster) lastError ??= new Error(NO_NODES)
    announce('lost')
  })
  const sentinels = hasSentinels(url)
    ? watchSentinels(url, encryption(url, options.tls ?? {}), deadlineMs, (primary) => {
        if (client.status === 'ready' && client instanceof Redis && primary !== addressOf(client))
          client.disconnect(true)
      })
    : undefined

  const send = async <T>(command: () => Promise<T>): Promise<T> => {
    if (client.status !== 'ready') throw storeUnavailable(lastError, 'none')
    try {
      return await withDeadline(command(), deadlineMs, 'Redis')
    } catch (error) {
      throw asStoreError(error)
    }
  }

  let commands = 0
  /** Nothing of it was done if it rejects with REFUSED: what Redis refuses, it refuses from the first write on. */
  const runAll = async (script: RedisScript, calls: readonly ScriptCall[]): Promise<readonly unknown[]> => {
    const number = ++commands
    const { keys, args } = callAll(number, calls)
    const [first = ''] = keys
    const call = (verb: keyof BufferScripts, text: string) =>
      send(() =>
        nodes.run(first, calls.length, async (node) => {
          const reply = await withBufferReplies(node)[verb](text, keys.length, ...keys, ...args)
          const responses = responsesOf(number, reply)
          if (responses !== undefined) return responses
          // Then every later reply on this connection is another's, too, and who acts on it charges twice.
          node.disconnect(true)
          throw new Error('the connection to Redis gave the reply to another command')
        }),
      )
    return await call('evalshaBuffer', script.sha).catch((error: unknown) => {
      if (!isReply(error, 'NOSCRIPT')) throw error
      return call('evalBuffer', script.lua)
    })
  }
  const groups = new Map<RedisScript, ReturnType<typeof groupCalls<ScriptCall, unknown>>>()
  const grouped = (script: RedisScript) => {
    const known = groups.get(script)
    if (known !== undefined) return known
    const group = groupCalls((calls: readonly ScriptCall[]) => runAll(script, calls), grouping)
    groups.set(script, group)
    return group
  }

  const ask: RedisConnection['ask'] = (script, keys, args, parse) =>
    new Promise((resolve, reject) => {
      const parsed = (reply: unknown) => {
        try {
          resolve(parse(reply))
        } catch (error) {
          reject(error)
        }
      }
      grouped(script)({ keys, args }, parsed, reject)
    })

  return {
    run: (script, keys, args) => ask(script, keys, args, (reply) => reply),
    ask,
    async *scan(match) {
      for (const node of await send(() => nodes.masters())) {
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
    async servers() {
      const masters = await send(() => nodes.masters())
      return await Promise.all(masters.map((node) => send(() => describe(node))))
    },
    async close() {
      announced = 'lost'
      sentinels?.close()
      client.disconnect()
    },
  }
}

/** Redis may reset the connection before its TLS alert has been read. */
const CERTIFICATE =
  'where Redis demands the certificate of a client, REDIS_TLS_CERT must name one that it takes'

/** What the driver leaves out of an error. */
function explained(error: Error, url: string): Error {
  if ('lastNodeError' in error && error.lastNodeError instanceof Error)
    return new Error(
      `no node tells of the cluster (${error.lastNodeError.message}): oncekey doctor asks each of them`,
    )
  const isReset = 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
  return isReset && url.startsWith('rediss') ? new Error(`${error.message}: ${CERTIFICATE}`) : error
}

const NO_NODES = 'the cluster names no node that can be reached'

const GROUPING = {
  inFlight: 2,
  bytesOf: ({ args }: ScriptCall) =>
    args.reduce((sum: number, arg) => (arg instanceof Buffer ? sum + arg.length : sum), 0),
  // A key that holds what is not ours: the script ends there, and what it did before it does again, once.
  isItemFault: (error: unknown) =>
    error instanceof SplitSlotError || (error instanceof Error && error.name === 'ReplyError'),
}
/** The keys of one command lie in one slot. Slots wait for each other only where nodes are many times slower than usual. */
const OF_A_CLUSTER = { inFlight: 256, groupOf: ({ keys: [first = ''] }: ScriptCall) => keySlot(first) }

function theOnly(client: Redis): Pick<ClusterRoutes, 'run' | 'masters'> {
  return { run: (_, _calls, command) => command(client), masters: async () => [client] }
}

/** Whom the connection is to: with sentinels its options do not tell. */
function addressOf({ stream }: Redis): string {
  return `${stream.remoteAddress}:${stream.remotePort}`
}

async function describe(node: Redis): Promise<RedisServer> {
  const [seconds = 0, micros = 0] = await node.time()
  const unlessRefused = (error: unknown) => {
    if (error instanceof Error && error.name === 'ReplyError') return undefined
    throw error
  }
  const info = await node.info().catch(unlessRefused)
  const policy: unknown = await node.config('GET', 'maxmemory-policy').catch(unlessRefused)
  return {
    address: addressOf(node),
    engine: info === undefined ? undefined : parseInfo(info),
    clockMs: Number(seconds) * 1000 + Math.floor(Number(micros) / 1000),
    evictionPolicy: Array.isArray(policy) ? String(policy[1]) : undefined,
  }
}

type SendScript = (
  text: string,
  keyCount: number,
  ...keysAndArgs: (string | number | Buffer)[]
) => Promise<unknown>

/** ioredis has these at run time, its types name them only without the suffix. (`callBuffer` breaks under auto-pipelining.) */
interface BufferScripts {
  evalshaBuffer: SendScript
  evalBuffer: SendScript
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
  // The nodes of a cluster do not agree yet where a slot is.
  'MOVED',
  'ASK',
  'TRYAGAIN',
  'NOAUTH',
  'NOPERM',
  'MISCONF',
  'NOREPLICAS',
  'BUSY',
  'CROSSSLOT',
]

function asStoreError(error: unknown): unknown {
  if (!(error instanceof Error) || error.name === 'ServiceError' || error instanceof SplitSlotError)
    return error
  if (error instanceof NoNodeError) return storeUnavailable(error, 'none')
  if (error.name === 'ReplyError') error.message = refusalText(error.message)
  // Of a command inside a script, which may have done a part before.
  const isInside =
    isReply(error, 'ERR') && (LACKS_RIGHT.test(error.message) || LACKS_COMMAND.test(error.message))
  if (isInside) return storeUnavailable(error, 'unknown')
  // A script that Redis itself could not compile or run is a defect of ours, not an outage.
  if (error.name === 'ReplyError' && !REFUSED.some((code) => isReply(error, code))) return error
  return storeUnavailable(error, error.name === 'ReplyError' ? 'none' : 'unknown')
}
