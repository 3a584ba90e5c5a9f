import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { ServerProcess } from './server-process.ts'
import { freePort } from './servers.ts'

const SLOTS = 16_384
/** Redis 6.2 cannot choose the port of the cluster bus: it is this much higher. */
const BUS_OFFSET = 10_000

export interface RedisCluster {
  /** A comma list, which makes the driver speak to it as to a cluster. */
  readonly url: string
  stop(): Promise<void>
}

/** A cluster of one node that has every slot: it refuses keys of two slots in one script as a big one does. */
export async function startRedisCluster(): Promise<RedisCluster> {
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
    probe: () => takeAllSlots(port),
  })
  const node = `redis://127.0.0.1:${port}`
  return {
    url: `${node},${node}`,
    async stop() {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function takeAllSlots(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => null, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  try {
    const state = async () => String(await client.call('CLUSTER', 'INFO'))
    if ((await state()).includes('cluster_slots_assigned:0'))
      await client.call('CLUSTER', 'ADDSLOTS', ...Array.from({ length: SLOTS }, (_, slot) => String(slot)))
    if (!(await state()).includes('cluster_state:ok')) throw new Error('the cluster is not ready')
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
