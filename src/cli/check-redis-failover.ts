import { Redis } from 'ioredis'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import {
  encryption,
  hasSentinels,
  isCluster,
  parseSentinelUrl,
  type RedisTls,
} from '../../internal/database/redis-client.ts'
import type { Finding } from './finding.ts'

const RESPONSE_MS = 1_000
const SLOTS = 16_384

/** The state of a cluster, by the first node that responds; empty without a cluster. */
export async function checkCluster(url: string, files: RedisTls): Promise<Finding[]> {
  if (!isCluster(url)) return []
  const check = 'redis cluster'
  let fault = ''
  for (const node of url.split(',')) {
    try {
      const [info, slots] = await ask(
        new Redis(node.trim(), { ...ONE_TRY, ...encryption(url, files) }),
        (redis) => Promise.all([redis.cluster('INFO'), redis.cluster('SLOTS')]),
      )
      if (namesNoAddress(slots)) return [{ ok: false, check, detail: NO_ADDRESS }]
      const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1] ?? ''
      const served = Number(field('cluster_slots_ok'))
      const ok = field('cluster_state') === 'ok' && served === SLOTS
      const detail = `state ${field('cluster_state')}, ${field('cluster_size')} masters of ${field('cluster_known_nodes')} nodes, ${served} of ${SLOTS} slots served`
      return [{ ok, check, detail }]
    } catch (error) {
      fault = `${new URL(node.trim()).host}: ${explainRefusal(error)}`
    }
  }
  return [{ ok: false, check, detail: fault }]
}

const NO_ADDRESS =
  'its nodes announce no address, which the driver needs: set cluster-preferred-endpoint-type to ip or hostname'

/** CLUSTER SLOTS lists the nodes of each range; each begins with its address or null. */
function namesNoAddress(slots: unknown): boolean {
  const nodes = Array.isArray(slots)
    ? slots.flatMap((range: unknown) => (Array.isArray(range) ? range.slice(2) : []))
    : []
  return nodes.length > 0 && nodes.every((node: unknown) => Array.isArray(node) && !node[0])
}

/** Whether each sentinel has a quorum; empty without sentinels. */
export async function checkSentinels(url: string, files: RedisTls): Promise<Finding[]> {
  if (!hasSentinels(url)) return []
  const { sentinels, name } = parseSentinelUrl(url)
  return await Promise.all(
    sentinels.map(async ({ host, port }): Promise<Finding> => {
      const check = 'redis sentinel'
      try {
        const client = new Redis(port, host, {
          ...ONE_TRY,
          ...encryption(url, files),
          enableReadyCheck: false,
        })
        const response = await ask(client, (redis) => redis.call('SENTINEL', 'CKQUORUM', name))
        return { ok: true, check, detail: `${host}:${port}: ${String(response)}` }
      } catch (error) {
        return { ok: false, check, detail: `${host}:${port}: ${explainRefusal(error)}` }
      }
    }),
  )
}

const ONE_TRY = {
  lazyConnect: true,
  retryStrategy: () => null,
  maxRetriesPerRequest: 0,
  disableClientInfo: true,
  connectTimeout: RESPONSE_MS,
  commandTimeout: RESPONSE_MS,
}

async function ask<T>(client: Redis, question: (client: Redis) => Promise<T>): Promise<T> {
  // More specific than the rejection, "connection is closed".
  let cause: Error | undefined
  client.on('error', (error: Error) => {
    cause ??= error
  })
  try {
    await client.connect()
    return await question(client)
  } catch (error) {
    throw cause ?? error
  } finally {
    client.disconnect()
  }
}
