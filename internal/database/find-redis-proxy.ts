import { Redis } from 'ioredis'
import { errorMessage } from '../core/error-message.ts'
import { encryption, hasSentinels, isCluster, type RedisTls } from './redis-client.ts'
import { LACKS_COMMAND } from './redis-refusals.ts'

const RESPONSE_MS = 1_000
const ADVICE =
  'which does not forward every command: REDIS_URL must name Redis itself, several nodes of its cluster, or its sentinels'

/** Why a proxy at REDIS_URL cannot be used, and what to do; undefined if there is no proxy, or if it forwards INFO. */
export async function findRedisProxy(url: string, tls: RedisTls): Promise<string | undefined> {
  if (isCluster(url) || hasSentinels(url)) return undefined
  const first = await askInfo(url, tls)
  // Asked twice, because a Redis that just ended looks the same once.
  if (first === undefined || (await askInfo(url, tls)) !== first) return undefined
  return `it returns PONG and ${first}, ${ADVICE}`
}

/** What is wrong with INFO after a successful PING; undefined if nothing is. */
async function askInfo(url: string, tls: RedisTls): Promise<string | undefined> {
  // Without a database number, so without SELECT, which a proxy may not forward either.
  const client = new Redis(Object.assign(new URL(url), { pathname: '' }).href, {
    ...encryption(url, tls),
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: RESPONSE_MS,
    commandTimeout: RESPONSE_MS,
    // No commands before PING.
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
    const text = errorMessage(error)
    if (LACKS_COMMAND.test(text))
      return `refuses INFO (${text.trim()}), as Redis does with rename-command, and a proxy`
    return text === CLOSED ? 'closes the connection at INFO, as does a proxy such as twemproxy' : undefined
  } finally {
    client.disconnect()
  }
}

/** The error text of ioredis. */
const CLOSED = 'Connection is closed.'
