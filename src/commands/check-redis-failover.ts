import { Redis } from 'ioredis'
import { hasSentinels, isCluster, parseSentinelUrl } from '../../internal/database/redis-client.ts'
import { describeCause } from '../underlying-cause.ts'
import type { Finding } from './finding.ts'

const ANSWER_MS = 1_000
const SLOTS = 16_384

/** What a cluster says of itself, by the first of its nodes that answers; nothing where there is no cluster. */
export async function checkCluster(url: string): Promise<Finding[]> {
  if (!isCluster(url)) return []
  const check = 'redis cluster'
  let fault = ''
  for (const node of url.split(',')) {
    try {
      const info = await ask(new Redis(node.trim(), ONE_TRY), (redis) => redis.cluster('INFO'))
      const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1] ?? ''
      const served = Number(field('cluster_slots_ok'))
      const ok = field('cluster_state') === 'ok' && served === SLOTS
      const detail = `state ${field('cluster_state')}, ${field('cluster_size')} masters of ${field('cluster_known_nodes')} nodes, ${served} of ${SLOTS} slots served`
      return [{ ok, check, detail }]
    } catch (error) {
      fault = `${new URL(node.trim()).host}: ${describeCause(error)}`
    }
  }
  return [{ ok: false, check, detail: fault }]
}

/** Whether each sentinel sees enough others to fail over; nothing where there are none. */
export async function checkSentinels(url: string): Promise<Finding[]> {
  if (!hasSentinels(url)) return []
  const { sentinels, name } = parseSentinelUrl(url)
  return await Promise.all(
    sentinels.map(async ({ host, port }): Promise<Finding> => {
      const check = 'redis sentinel'
      try {
        const client = new Redis(port, host, { ...ONE_TRY, enableReadyCheck: false })
        const answer = await ask(client, (redis) => redis.call('SENTINEL', 'CKQUORUM', name))
        return { ok: true, check, detail: `${host}:${port}: ${String(answer)}` }
      } catch (error) {
        return { ok: false, check, detail: `${host}:${port}: ${describeCause(error)}` }
      }
    }),
  )
}

const ONE_TRY = {
  lazyConnect: true,
  retryStrategy: () => null,
  maxRetriesPerRequest: 0,
  connectTimeout: ANSWER_MS,
  commandTimeout: ANSWER_MS,
}

async function ask<T>(client: Redis, question: (client: Redis) => Promise<T>): Promise<T> {
  client.on('error', () => {})
  try {
    await client.connect()
    return await question(client)
  } finally {
    client.disconnect()
  }
}
