import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import type { FaultProxy } from '../../src/faults/fault-proxy.ts'
import { freePort, type ThrowawayServer } from '../support/servers.ts'
import type { FaultKind } from './fault-kinds.ts'
import { type Hands, type Inject, listenAgain, needed, struck } from './hands.ts'
import type { PlannedFault } from './schedule.ts'

const NONE = {}
const UNDER_WAY = 4
const TRIES = 5
const AGAIN_MS = 300

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

const redisOf = ({ stage }: Hands) => needed(stage.redis, 'Redis')

/** The wires of all nodes, or of one. */
function wiresOf({ stage }: Hands, which: 'redis' | 'postgres', fault: PlannedFault): FaultProxy[] {
  const all = stage.nodes.map((node) => needed(node[which], which))
  const one = all[fault.node % all.length]
  return fault.roll < 0.5 || one === undefined ? all : [one]
}

const flush: Inject = (_, hands) =>
  withRedis(redisOf(hands), async (redis) => {
    await hands.event('fire', { count: UNDER_WAY })
    const keys = await redis.dbsize()
    await redis.flushall()
    return { hit: keys > 0, detail: `${keys} keys were gone` }
  })

const restart: Inject = async (fault, hands) => {
  const server = redisOf(hands)
  await hands.event('fire', { count: UNDER_WAY })
  await server.kill()
  await sleep(fault.forMs)
  await server.restart()
  return { hit: true, detail: `away for ${fault.forMs} ms and its start` }
}

const evict: Inject = (fault, hands) =>
  withRedis(redisOf(hands), async (redis) => {
    const evicted = () => numberIn(redis, 'stats', /^evicted_keys:(\d+)/m)
    const before = await evicted()
    const used = await numberIn(redis, 'memory', /^used_memory:(\d+)/m)
    await redis.config('SET', 'maxmemory-policy', 'allkeys-random')
    await redis.config('SET', 'maxmemory', String(used - 20_000))
    await hands.event('fire', { count: UNDER_WAY })
    await sleep(fault.forMs)
    await redis.config('SET', 'maxmemory', '0')
    await redis.config('SET', 'maxmemory-policy', 'noeviction')
    const gone = (await evicted()) - before
    return { hit: gone > 0, detail: `${gone} keys were evicted` }
  })

const pause: Inject = (fault, hands) =>
  withRedis(redisOf(hands), async (redis) => {
    const wires = hands.stage.nodes.map((node) => needed(node.redis, 'Redis'))
    const asked = () => wires.reduce((sum, wire) => sum + wire.stats().passed.up, 0)
    const before = asked()
    await redis.client('PAUSE', fault.forMs, 'ALL')
    await hands.event('fire', { count: UNDER_WAY })
    await sleep(fault.forMs)
    const bytes = asked() - before
    return { hit: bytes > 0, detail: `${bytes} bytes of commands had no answer for ${fault.forMs} ms` }
  })

/** Redis counts the errors it answers with. */
const refusing =
  (
    error: string,
    begin: (redis: Redis) => Promise<unknown>,
    end: (redis: Redis) => Promise<unknown>,
  ): Inject =>
  (fault, hands) =>
    withRedis(redisOf(hands), async (redis) => {
      const refused = () => numberIn(redis, 'errorstats', new RegExp(`^errorstat_${error}:count=(\\d+)`, 'm'))
      const before = await refused()
      await begin(redis)
      await hands.event('fire', { count: UNDER_WAY })
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

/** The fault is there for its time, and for longer while it meets nobody: its node may be starting, or wait for another store. */
async function fireUntil(hasHit: () => boolean, { node, forMs }: PlannedFault, hands: Hands): Promise<void> {
  let tries = 0
  do {
    await hands.event('fire', { node, count: UNDER_WAY })
    await sleep(forMs)
  } while (++tries < TRIES && !hasHit())
}

const redisReplyLost: Inject = async (fault, hands) => {
  const wires = wiresOf(hands, 'redis', fault)
  const lost = () => wires.reduce((sum, wire) => sum + wire.stats().swallowed.down, 0)
  const before = lost()
  for (const wire of wires) wire.apply({ blackhole: { directions: 'down', afterBytes: 0 } })
  await fireUntil(() => lost() > before, fault, hands)
  for (const wire of wires) {
    // No network loses bytes of a stream that goes on: the next answer would be taken for the lost one.
    wire.cutAll('reset')
    wire.apply(NONE)
  }
  const bytes = lost() - before
  return { hit: bytes > 0, detail: `${bytes} bytes of answers were lost` }
}

const terminate: Inject = async (_, hands) => {
  await hands.event('fire', { count: UNDER_WAY })
  const sql = postgres(needed(hands.stage.postgres, 'PostgreSQL').url, { max: 1, onnotice: () => {} })
  try {
    // Right after a restart there are none yet.
    for (let tries = 1; ; tries++) {
      const rows = await sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'oncekey'`
      if (rows.length > 0 || tries === TRIES)
        return { hit: rows.length > 0, detail: `${rows.length} backends` }
      await sleep(AGAIN_MS)
    }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

const restartPostgres: Inject = async (fault, hands) => {
  const server = needed(hands.stage.postgres, 'PostgreSQL')
  await hands.event('fire', { count: UNDER_WAY })
  const how = fault.roll < 0.5 ? 'killed' : 'stopped'
  if (how === 'killed') await server.kill()
  await server.restart()
  return { hit: true, detail: `${how} and started` }
}

const refuse: Inject = async (fault, hands) => {
  const wires = wiresOf(hands, 'postgres', fault)
  let open = 0
  for (const wire of wires) {
    open += wire.stats().open
    wire.stopListening()
    wire.cutAll('reset')
  }
  await hands.event('fire', { node: fault.node, count: UNDER_WAY })
  await sleep(fault.forMs)
  for (const wire of wires) await listenAgain(wire)
  return { hit: open > 0, detail: `${open} connections were reset, and no new one was taken` }
}

const postgresReplyLost: Inject = async (fault, hands) => {
  const wires = wiresOf(hands, 'postgres', fault)
  const before = struck(wires, 'cut', 'reset')
  const faults = {
    cut: { directions: 'down', afterBytes: 0, reset: fault.roll * 10 - Math.floor(fault.roll * 10) < 0.5 },
  } as const
  for (const wire of wires) wire.apply(faults)
  await fireUntil(() => struck(wires, 'cut', 'reset') > before, fault, hands)
  for (const wire of wires) wire.apply(NONE)
  const lost = struck(wires, 'cut', 'reset') - before
  return { hit: lost > 0, detail: `${lost} connections were lost with an answer on its way` }
}

export const STORE_FAULTS = {
  'redis-flush': flush,
  'redis-restart': restart,
  'redis-evict': evict,
  'redis-pause': pause,
  'redis-oom': oom,
  'redis-readonly': readonly,
  'redis-reply-lost': redisReplyLost,
  'postgres-terminate': terminate,
  'postgres-restart': restartPostgres,
  'postgres-refuse': refuse,
  'postgres-reply-lost': postgresReplyLost,
} as const satisfies Partial<Record<FaultKind, Inject>>
