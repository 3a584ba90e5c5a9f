import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { ServerProcess } from './server-process.ts'
import { freePort } from './servers.ts'

const SLOTS = 16_384
/** Redis 6.2 cannot choose the port of the cluster bus: it is this much higher. */
const BUS_OFFSET = 10_000
/** Two nodes know each other within 2 s; a busy machine may need much more. */
const FORM_MS = 30_000
const POLL_MS = 20

export interface RedisCluster {
  /** A comma list, which makes the driver speak to it as to a cluster. */
  readonly url: string
  stop(): Promise<void>
}

/** A cluster of one node that has every slot: it refuses keys of two slots in one script as a big one does. */
export async function startRedisCluster(): Promise<RedisCluster> {
  return await startCluster(1)
}

/** The keys are on two masters. */
export async function startTwoMasters(): Promise<RedisCluster> {
  return await startCluster(2)
}

async function startCluster(masters: number): Promise<RedisCluster> {
  const nodes: { server: ServerProcess; directory: string; port: number }[] = []
  for (let i = 0; i < masters; i++) nodes.push(await startNode())
  const ports = nodes.map(({ port }) => port)
  await formCluster(ports)
  const [first = 0, second = first] = ports
  return {
    url: `redis://127.0.0.1:${first},redis://127.0.0.1:${second}`,
    async stop() {
      for (const { server, directory } of nodes) {
        await server.stop()
        await rm(directory, { recursive: true, force: true })
      }
    },
  }
}

async function startNode() {
  const directory = await mkdtemp('/tmp/oncekey-cluster-')
  const port = await portBelowBus()
  const server = await ServerProcess.start({
    program: process.env.TEST_REDIS_SERVER ?? 'redis-server',
    args: [
      ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'],
      ...['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
    ],
    log: join(directory, 'redis.log'),
    user: undefined,
    stopSignal: 'SIGTERM',
    probe: () => onNode(port, async (client) => void (await client.ping())),
  })
  return { server, directory, port }
}

/** Each node gets its share of the slots, and all of them agree that they have every slot. */
async function formCluster(ports: readonly number[]): Promise<void> {
  const share = SLOTS / ports.length
  const [first = 0] = ports
  for (const [i, port] of ports.entries()) {
    await onNode(port, async (client) => {
      const slots = Array.from({ length: share }, (_, slot) => String(i * share + slot))
      await client.call('CLUSTER', 'ADDSLOTS', ...slots)
      if (port !== first) await client.call('CLUSTER', 'MEET', '127.0.0.1', String(first))
    })
  }
  const deadline = Date.now() + FORM_MS
  for (const port of ports) {
    for (;;) {
      const info = await onNode(port, async (client) => String(await client.call('CLUSTER', 'INFO')))
      if (info.includes('cluster_state:ok') && info.includes(`cluster_slots_assigned:${SLOTS}`)) break
      if (Date.now() > deadline) throw new Error(`the cluster is not ready: ${info}`)
      await sleep(POLL_MS)
    }
  }
}

async function onNode<T>(port: number, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => null, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  try {
    return await work(client)
  } finally {
    client.disconnect()
  }
}

async function portBelowBus(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port + BUS_OFFSET < 65_536) return port
  }
}
