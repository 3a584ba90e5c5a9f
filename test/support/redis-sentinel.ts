import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onRedis, untilReply } from './on-redis.ts'
import { freePort, startRedis, startRedisProgram, type ThrowawayServer } from './servers.ts'

const NAME = 'orders'
const QUORUM = 2
/** After so long without a response a sentinel takes the primary for down; small, as a test waits for it. */
const DOWN_AFTER_MS = 1_000

export interface Sentinels {
  readonly url: string
  readonly primary: ThrowawayServer
  readonly replica: ThrowawayServer
  readonly sentinels: readonly ThrowawayServer[]
  /** SENTINEL FAILOVER: a planned one, while the primary is well. */
  failOver(): Promise<void>
  stop(): Promise<void>
}

/** A primary, a replica of it and three sentinels that watch them, of the ordinary program. */
export async function startSentinels(): Promise<Sentinels> {
  const settings = ['--repl-diskless-sync-delay', '0']
  const primary = await startRedis({ settings })
  const { port } = new URL(primary.url)
  const replica = await startRedis({ settings: [...settings, '--replicaof', '127.0.0.1', port] })
  await untilReply(replica.url, ['INFO', 'replication'], 'master_link_status:up')
  const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(port)))
  for (const sentinel of sentinels) {
    await untilReply(sentinel.url, ['SENTINEL', 'CKQUORUM', NAME], 'OK 3 usable')
    await untilReply(sentinel.url, ['SENTINEL', 'REPLICAS', NAME], 'slave')
  }
  const [first] = sentinels
  return {
    url: `redis+sentinel://${sentinels.map(({ url }) => new URL(url).host).join(',')}/${NAME}`,
    primary,
    replica,
    sentinels,
    failOver: async () => void (await onRedis(first?.url ?? '', 'SENTINEL', 'FAILOVER', NAME)),
    stop: async () => void (await Promise.all([primary, replica, ...sentinels].map((one) => one.kill()))),
  }
}

async function startSentinel(primaryPort: string): Promise<ThrowawayServer> {
  return await startRedisProgram(await freePort(), (directory, port) => {
    // A sentinel keeps what it knows in its configuration.
    const file = join(directory, 'sentinel.conf')
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${directory}`,
      `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} ${QUORUM}`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
      // How long a sentinel that lost the vote waits before it tries itself.
      `sentinel failover-timeout ${NAME} 3000`,
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    return [file, '--sentinel']
  })
}
