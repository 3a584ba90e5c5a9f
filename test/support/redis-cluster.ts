import { type Command, onRedis, untilReply } from './on-redis.ts'
import { freePort, startRedis, type ThrowawayServer } from './servers.ts'

const SLOTS = 16_384
/** Redis 6.2 cannot choose the port of the cluster bus: it is this much higher. */
const BUS_OFFSET = 10_000
/** After so long without a node the others vote; small, as a test waits for it. */
const NODE_TIMEOUT_MS = 1_000

export interface RedisCluster {
  /** A comma list, which makes the driver speak to it as to a cluster. */
  readonly url: string
  readonly masters: readonly ThrowawayServer[]
  /** Each copies the master of the same place. */
  readonly replicas: readonly ThrowawayServer[]
  /** The one that the cluster was formed with as the master of this key. */
  masterOf(key: string): Promise<ThrowawayServer>
  stop(): Promise<void>
}

/** A cluster of the ordinary program: every slot on one of the masters, each master with its share. */
export async function startRedisCluster({ masters = 1, replicated = false } = {}): Promise<RedisCluster> {
  const start = () => Promise.all(Array.from({ length: masters }, startNode))
  const primaries = await start()
  const replicas = replicated ? await start() : []
  const nodes = [...primaries, ...replicas]
  const shares = await form(primaries, replicas)
  return {
    // One alone would be taken for a Redis without a cluster.
    url: (masters === 1 ? [...primaries, ...primaries] : primaries).map(({ url }) => url).join(','),
    masters: primaries,
    replicas,
    async masterOf(key) {
      const slot = await slotOf(nodes, key)
      const master = primaries[shares.findIndex(([from, to]) => from <= slot && slot <= to)]
      if (master === undefined) throw new Error(`slot ${slot} has no master`)
      return master
    },
    stop: async () => void (await Promise.all(nodes.map((node) => node.kill()))),
  }
}

export async function slotOf([node]: readonly ThrowawayServer[], key: string): Promise<number> {
  return Number(await onRedis(node?.url ?? '', 'CLUSTER', 'KEYSLOT', key))
}

async function startNode(): Promise<ThrowawayServer> {
  return await startRedis({
    port: await portWithBus(),
    settings: [
      ...['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
      ...['--cluster-node-timeout', `${NODE_TIMEOUT_MS}`, '--repl-diskless-sync-delay', '0'],
    ],
  })
}

export function portOf(node: ThrowawayServer): string {
  return new URL(node.url).port
}

/** Resolves when all of them agree that every slot has a master, and every replica has copied its own. */
async function form(masters: readonly ThrowawayServer[], replicas: readonly ThrowawayServer[]) {
  const nodes = [...masters, ...replicas]
  const [first] = nodes
  if (first === undefined) throw new Error('a cluster has a master')
  const shares = masters.map((_, i): [number, number] => [
    Math.ceil((i * SLOTS) / masters.length),
    Math.ceil(((i + 1) * SLOTS) / masters.length) - 1,
  ])
  for (const [i, node] of nodes.entries()) {
    await onRedis(node.url, 'CLUSTER', 'SET-CONFIG-EPOCH', `${i + 1}`)
    const [from, to] = shares[i] ?? [0, -1]
    const slots = Array.from({ length: to - from + 1 }, (_, slot) => `${from + slot}`)
    if (slots.length > 0) await onRedis(node.url, 'CLUSTER', 'ADDSLOTS', ...slots)
  }
  for (const { url } of nodes.slice(1)) await onRedis(url, 'CLUSTER', 'MEET', '127.0.0.1', portOf(first))
  await all(nodes, ['CLUSTER', 'INFO'], `cluster_known_nodes:${nodes.length}\r`)
  for (const [i, replica] of replicas.entries()) {
    const id = String(await onRedis(masters[i]?.url ?? '', 'CLUSTER', 'MYID'))
    await onRedis(replica.url, 'CLUSTER', 'REPLICATE', id)
  }
  await all(replicas, ['INFO', 'replication'], 'master_link_status:up')
  await all(nodes, ['CLUSTER', 'INFO'], 'cluster_state:ok')
  await all(nodes, ['CLUSTER', 'INFO'], `cluster_slots_assigned:${SLOTS}\r`)
  return shares
}

/** Once every node responds to the command with a text that holds `what`. */
async function all(nodes: readonly ThrowawayServer[], command: Command, what: string): Promise<void> {
  for (const { url } of nodes) await untilReply(url, command, what)
}

export async function portWithBus(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port + BUS_OFFSET < 65_536) return port
  }
}
