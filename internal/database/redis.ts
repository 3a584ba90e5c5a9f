import { Cluster, Redis } from 'ioredis'
import { checkNumber, checkText, MAX_TIMER_MS } from '../core/check-option.ts'
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
   * Runs the script once; concurrent calls of the same script share a command. Resolves with the result of the script:
   * numbers, texts, Buffers, or lists of these. Rejects within the deadline with ServiceError `store_unavailable` if Redis
   * is unreachable, hangs, is read-only or out of memory; its `effect` is 'unknown' if the script may have run. The script
   * is never sent again, except after NOSCRIPT, which means that it did not run.
   */
  run(script: RedisScript, keys: readonly string[], args: ScriptCall['args']): Promise<unknown>
  /** Like `run`, but resolves with the result of `parse`. */
  ask<T>(
    script: RedisScript,
    keys: readonly string[],
    args: ScriptCall['args'],
    parse: (reply: unknown) => T,
  ): Promise<T>
  /**
   * The keys that match a glob pattern, in small batches, from every master of a cluster. A key that exists during the
   * whole scan is returned at least once; Redis may return a key twice. For operators: Redis visits all its keys.
   */
  scan(match: string): AsyncIterable<readonly string[]>
  /** Resolves if Redis responds to PING within the deadline; otherwise rejects with `store_unavailable`. */
  ping(): Promise<void>
  /** The properties of the server, or of each master of a cluster. */
  servers(): Promise<RedisServer[]>
  close(): Promise<void>
}

export interface RedisServer {
  /** `host:port`. */
  address: string
  /** Undefined if INFO is not allowed. */
  engine: RedisEngine | undefined
  /** Its clock, in Unix milliseconds. */
  clockMs: number
  /** `maxmemory-policy`; undefined if CONFIG is not allowed (managed services). */
  evictionPolicy: string | undefined
}

export interface RedisConnectionOptions {
  /** A command without a response for this long fails, and its connection is replaced. */
  deadlineMs?: number
  onState?: (state: 'ready' | 'lost', cause?: Error) => void
  /** For `rediss://`. */
  tls?: RedisTls
}

/** Two deadlines one after another (limits, then claim) must stay below the promised response time of three seconds. */
const DEADLINE_MS = 1_000
/** The keys that Redis visits in one step of a scan. A step blocks other commands for at most a millisecond. */
const SCAN_COUNT = 1_000

/**
 * Connects to `redis://`, `rediss://`, several of them separated by commas (Redis Cluster), or
 * `redis+sentinel://h:p,h:p/name`. Returns immediately and keeps trying to connect until closed. Without a connection,
 * commands are refused immediately (no offline queue); a connection that hangs is closed at the deadline.
 *
 * @throws Error for an invalid URL.
 * @example const redis = connectRedis('redis://127.0.0.1:6379')
 */
export function connectRedis(url: string, options: RedisConnectionOptions = {}): RedisConnection {
  checkText('url', url)
  if (!/^\s*rediss?(\+sentinel)?:\/\//.test(url))
    throw new RangeError(
      'url must be redis://, rediss://, a comma list of them, or redis+sentinel://host:port/name',
    )
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS
  checkNumber('deadlineMs', deadlineMs, 1, MAX_TIMER_MS)
  const client = createClient(url, deadlineMs, options.tls)
  const nodes = client instanceof Cluster ? new ClusterRoutes(client, deadlineMs) : singleNode(client)
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
  // An error of one node of a cluster.
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
  /** If it rejects with an error of REFUSED, nothing was done: Redis refuses a script at its first write. */
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
          // Every later reply on this connection would belong to another command too, so the connection is closed.
          node.disconnect(true)
          throw new Error('the connection to Redis returned the reply of another command')
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

/** For a connection that is reset: Redis may reset it before its TLS alert is read. */
const CERTIFICATE = 'if Redis requires a client certificate, REDIS_TLS_CERT must name one that it accepts'

/** Adds information that the error of ioredis does not have. */
function explained(error: Error, url: string): Error {
  if ('lastNodeError' in error && error.lastNodeError instanceof Error)
    return new Error(
      `no node returns the slots of the cluster (${error.lastNodeError.message}): oncekey doctor checks each node`,
    )
  const isReset = 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
  return isReset && url.startsWith('rediss') ? new Error(`${error.message}: ${CERTIFICATE}`) : error
}

const NO_NODES = 'no node of the cluster can be reached'

const GROUPING = {
  inFlight: 2,
  bytesOf: ({ args }: ScriptCall) =>
    args.reduce((sum: number, arg) => (arg instanceof Buffer ? sum + arg.length : sum), 0),
  // Such as a key with a value of another program, at which the script fails. The calls before it have run by then, and run once more.
  isItemFault: (error: unknown) =>
    error instanceof SplitSlotError || (error instanceof Error && error.name === 'ReplyError'),
}
/** All keys of a command are in one slot. With so many commands in flight, slots rarely wait for each other. */
const OF_A_CLUSTER = { inFlight: 256, groupOf: ({ keys: [first = ''] }: ScriptCall) => keySlot(first) }

function singleNode(client: Redis): Pick<ClusterRoutes, 'run' | 'masters'> {
  return { run: (_, _calls, command) => command(client), masters: async () => [client] }
}

/** The address of the peer; with sentinels the options of the connection do not have it. */
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

/** ioredis has these methods at run time, but not in its types. (`callBuffer` does not work with auto-pipelining.) */
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

/** Errors that mean that Redis did not run the command. */
const REFUSED = [
  'OOM',
  'READONLY',
  'LOADING',
  'MASTERDOWN',
  'CLUSTERDOWN',
  // The nodes of a cluster do not yet agree on the node of a slot.
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
  // An error of a command inside a script, which may have written before.
  const isInside =
    isReply(error, 'ERR') && (LACKS_RIGHT.test(error.message) || LACKS_COMMAND.test(error.message))
  if (isInside) return storeUnavailable(error, 'unknown')
  // Any other error of a script is a defect and not an outage.
  if (error.name === 'ReplyError' && !REFUSED.some((code) => isReply(error, code))) return error
  return storeUnavailable(error, error.name === 'ReplyError' ? 'none' : 'unknown')
}
