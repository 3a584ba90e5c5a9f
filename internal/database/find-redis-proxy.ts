import { Redis } from 'ioredis'
import { encryption, hasSentinels, isCluster, type RedisTls } from './redis-client.ts'
import { LACKS_COMMAND } from './redis-refusals.ts'

const RESPONSE_MS = 1_000
const ADVICE =
  'which does not pass every command: REDIS_URL must name Redis itself, several nodes of its cluster, or its sentinels'

/** Why a proxy at REDIS_URL gives no connection, and what to do; undefined: it is no proxy, or it passes INFO. */
export async function findRedisProxy(url: string, tls: RedisTls): Promise<string | undefined> {
  if (isCluster(url) || hasSentinels(url)) return undefined
  const first = await askInfo(url, tls)
  // Once can also be a Redis that was ended at that moment.
  if (first === undefined || (await askInfo(url, tls)) !== first) return undefined
  return `it returns PONG and ${first}, ${ADVICE}`
}

/** What becomes of INFO after a PING that was answered, unless it is what Redis does. */
async function askInfo(url: string, tls: RedisTls): Promise<string | undefined> {
  // No SELECT: a proxy may not pass it either.
  const client = new Redis(Object.assign(new URL(url), { pathname: '' }).href, {
    ...encryption(url, tls),
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: RESPONSE_MS,
    commandTimeout: RESPONSE_MS,
    // Nothing before PING.
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.ping()
  } catch {
    client.disconnect()
    return undefined
  }
  try {
    await client.info()
    return undefined
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    if (LACKS_COMMAND.test(text))
      return `refuses INFO (${text.trim()}), as Redis does with rename-command, and a proxy`
    return text === CLOSED ? 'closes the connection at INFO, as does a proxy such as twemproxy' : undefined
  } finally {
    client.disconnect()
  }
}

/** Of the driver. */
const CLOSED = 'Connection is closed.'
