import type { Cluster, Redis } from 'ioredis'
import { createClient, type RedisTls } from '../../internal/database/redis-client.ts'

/** The commands of the scripts of an order, on a name of their own. */
const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ['EVAL', 'return 1', '0'],
  ['EVALSHA', '0'.repeat(40), '0'],
  ['TIME'],
  ['DEL', 'KEY'],
  ['TYPE', 'KEY'],
  ['GET', 'KEY'],
  ['HSET', 'KEY', 'field', '1'],
  ['HSETNX', 'KEY', 'field', '1'],
  ['HMGET', 'KEY', 'field'],
  ['PEXPIRE', 'KEY', '1000'],
  ['PERSIST', 'KEY'],
  ['PTTL', 'KEY'],
  ['SET', 'KEY', '1', 'PX', '1000'],
  ['DEL', 'KEY'],
  ['LPUSH', 'KEY', '1'],
  ['LINDEX', 'KEY', '-1'],
  ['LLEN', 'KEY'],
  ['LTRIM', 'KEY', '0', '0'],
  ['DEL', 'KEY'],
]
const RESPONSE_MS = 1_000

/** The missing rights of the user of REDIS_URL. Redis itself names only some of them. */
export async function missingRights(url: string, prefix: string, tls: RedisTls): Promise<string[]> {
  const client = createClient(url, RESPONSE_MS, tls)
  client.on('error', () => {})
  try {
    await ready(client)
    const missing = new Set<string>()
    for (const [command, ...args] of COMMANDS) {
      const given = args.map((arg) => (arg === 'KEY' ? `${prefix}:rights:{doctor}` : arg))
      const refusal = await client.call(command, ...given).then(() => '', String)
      if (/NOPERM.*\bkeys?\b/.test(refusal)) missing.add(`the names ${prefix}:*`)
      else if (/NOPERM|unknown command/i.test(refusal)) missing.add(`the command ${command.toLowerCase()}`)
    }
    return [...missing]
  } finally {
    client.disconnect()
  }
}

async function ready(client: Redis | Cluster): Promise<void> {
  if (client.status === 'ready') return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, RESPONSE_MS)
    client.once('ready', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
