import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { z } from 'zod'
import { freePort, type ThrowawayServer } from '../support/servers.ts'
import { stepAndBack } from './clock-steps.ts'
import { type FaultContext, fireUntil, type Inject, needed, oneWay, wiresOf } from './fault-context.ts'
import type { FaultKind } from './fault-kinds.ts'

const NONE = {}
const IN_FLIGHT = 4

/** Beside the wires: the operator's hand. */
async function withRedis<T>(server: ThrowawayServer, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(server.url, { maxRetriesPerRequest: 1 })
  redis.on('error', () => {})
  try {
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

async function numberIn(redis: Redis, section: string, name: RegExp): Promise<number> {
  return Number(name.exec(await redis.info(section))?.[1] ?? 0)
}

const redisOf = ({ installation }: FaultContext) => needed(installation.redis, 'Redis')

const flush: Inject = (_, faultContext) =>
  withRedis(redisOf(faultContext), async (redis) => {
    await faultContext.event('fire', { count: IN_FLIGHT })
    const keys = await redis.dbsize()
    await redis.flushall()
    return { hit: keys > 0, detail: `${keys} keys were gone` }
  })

const restart: Inject = async (fault, faultContext) => {
  const server = redisOf(faultContext)
  await faultContext.event('fire', { count: IN_FLIGHT })
  await server.kill()
  await sleep(fault.forMs)
  await server.restart()
  return { hit: true, detail: `away for ${fault.forMs} ms and its start` }
}

const evict: Inject = (fault, faultContext) =>
  withRedis(redisOf(faultContext), async (redis) => {
    const evicted = () => numberIn(redis, 'stats', /^evicted_keys:(\d+)/m)
    const before = await evicted()
    const used = await numberIn(redis, 'memory', /^used_memory:(\d+)/m)
    await redis.config('SET', 'maxmemory-policy', 'allkeys-random')
    await redis.config('SET', 'maxmemory', String(used - 20_000))
    await faultContext.event('fire', { count: IN_FLIGHT })
    await sleep(fault.forMs)
    await redis.config('SET', 'maxmemory', '0')
    await redis.config('SET', 'maxmemory-policy', 'noeviction')
    const gone = (await evicted()) - before
    return { hit: gone > 0, detail: `${gone} keys were evicted` }
  })

const pause: Inject = (fault, faultContext) =>
  withRedis(redisOf(faultContext), async (redis) => {
    const wires = faultContext.installation.nodes.map((node) => needed(node.redis, 'Redis'))
    const asked = () => wires.reduce((sum, wire) => sum + wire.stats().passed.up, 0)
    const before = asked()
    await redis.client('PAUSE', fault.forMs, 'ALL')
    await faultContext.event('fire', { count: IN_FLIGHT })
    await sleep(fault.forMs)
    const bytes = asked() - before
    return { hit: bytes > 0, detail: `${bytes} bytes of commands had no response for ${fault.forMs} ms` }
  })

/** Redis counts the errors it responds with. */
const refusing =
  (
    error: string,
    begin: (redis: Redis) => Promise<unknown>,
    end: (redis: Redis) => Promise<unknown>,
  ): Inject =>
  (fault, faultContext) =>
    withRedis(redisOf(faultContext), async (redis) => {
      const refused = () => numberIn(redis, 'errorstats', new RegExp(`^errorstat_${error}:count=(\\d+)`, 'm'))
      const before = await refused()
      await begin(redis)
      await faultContext.event('fire', { count: IN_FLIGHT })
      await sleep(fault.forMs)
      await end(redis)
      const count = (await refused()) - before
      return { hit: count > 0, detail: `${count} commands were refused` }
    })

const oom = refusing(
  'OOM',
  (redis) => redis.config('SET', 'maxmemory', '1'),
  (redis) => redis.config('SET', 'maxmemory', '0'),
)

const readonly = refusing(
  'READONLY',
  async (redis) => redis.replicaof('127.0.0.1', await freePort()),
  (redis) => redis.replicaof('NO', 'ONE'),
)

const redisReplyLost: Inject = async (fault, faultContext) => {
  const wires = wiresOf(faultContext, 'redis', fault)
  const lost = () => wires.reduce((sum, wire) => sum + wire.stats().swallowed.down, 0)
  const before = lost()
  for (const wire of wires) wire.apply({ blackhole: { directions: 'down', afterBytes: 0 } })
  await fireUntil(() => lost() > before, fault, faultContext, IN_FLIGHT)
  for (const wire of wires) {
    // No network loses bytes of a stream that goes on: the next response would be taken for the lost one.
    wire.cutAll('reset')
    wire.apply(NONE)
  }
  const bytes = lost() - before
  return { hit: bytes > 0, detail: `${bytes} bytes of responses were lost` }
}

/** Nothing of a script that writes is done, or all of it: what Redis refuses, it refuses from the first write on. */
const role: Inject = (fault, faultContext) =>
  withRedis(redisOf(faultContext), async (redis) => {
    const denied = async () => z.array(z.unknown()).parse(await redis.acl('LOG')).length
    await redis.acl('LOG', 'RESET')
    await redis.acl('SETUSER', 'default', '-@write')
    await fireUntil(async () => (await denied()) > 0, fault, faultContext, IN_FLIGHT)
    await redis.acl('SETUSER', 'default', '+@all')
    const count = await denied()
    return { hit: count > 0, detail: `${count} kinds of commands were denied` }
  })

const noConnections: Inject = (fault, faultContext) =>
  withRedis(redisOf(faultContext), async (redis) => {
    const rejected = () => numberIn(redis, 'stats', /^rejected_connections:(\d+)/m)
    const before = await rejected()
    const [, usual = '10000'] = z.array(z.string()).parse(await redis.config('GET', 'maxclients'))
    await redis.config('SET', 'maxclients', '1')
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await fireUntil(async () => (await rejected()) > before, fault, faultContext, IN_FLIGHT)
    await redis.config('SET', 'maxclients', usual)
    const count = (await rejected()) - before
    return { hit: count > 0, detail: `${count} connections were rejected` }
  })

const clock: Inject = async (fault, faultContext) => {
  const fake = needed(faultContext.installation.clocks.redis, 'clock of Redis')
  const seen = () =>
    withRedis(redisOf(faultContext), async (redis) => {
      const [seconds, micros] = await redis.time()
      return Number(seconds) * 1_000 + Number(micros) / 1_000 - Date.now()
    })
  return await stepAndBack(fake, seen, fault, faultContext)
}

export const REDIS_FAULTS = {
  'redis-flush': flush,
  'redis-restart': restart,
  'redis-evict': evict,
  'redis-pause': pause,
  'redis-oom': oom,
  'redis-readonly': readonly,
  'redis-role': role,
  'redis-no-connections': noConnections,
  'redis-clock': clock,
  'redis-one-way': oneWay('redis', IN_FLIGHT),
  'redis-reply-lost': redisReplyLost,
} as const satisfies Partial<Record<FaultKind, Inject>>
