import { statfsSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import type { BenchServers } from './bench-servers.ts'
import type { MeasurePlan } from './measure.ts'

/** What the figures depend on, a line each. */
export async function circumstances(
  { redis, postgres: database }: BenchServers,
  plan: MeasurePlan,
  unpinned: string | undefined,
): Promise<string[]> {
  const [load = 0] = loadavg()
  const where =
    unpinned === undefined
      ? 'the contestant on one core; load, Redis, PostgreSQL and the backend of the forwarders on another'
      : `not pinned to cores: ${unpinned}`
  return [
    `${cpus().length} cores of ${cpus()[0]?.model ?? 'an unknown processor'}, Node.js ${process.version}, load average ${load.toFixed(1)} at the start`,
    where,
    `PostgreSQL ${await postgresVersion(database.url)} with its defaults (fsync and synchronous_commit on), its data on ${fileSystem()}`,
    `Redis ${await redisVersion(redis.url)} without persistence`,
    `${plan.connections} kept connections, ${plan.rounds} rounds of ${plan.roundMs} ms for each contestant, in turn; warm-up of ${plan.warmUpResponses} returns`,
  ]
}

async function postgresVersion(url: string): Promise<string> {
  const sql = postgres(url, { max: 1 })
  const [row] = await sql`SELECT current_setting('server_version') AS version`
  await sql.end()
  return String(row?.version)
}

async function redisVersion(url: string): Promise<string> {
  const redis = new Redis(url)
  const [, version = '?'] = /redis_version:(\S+)/.exec(await redis.info('server')) ?? []
  redis.disconnect()
  return version
}

/** fsync costs nothing in memory. The servers keep their data under /tmp. */
function fileSystem(): string {
  const names: Record<number, string> = { 16914836: 'tmpfs', 61267: 'ext4', 2035054128: 'overlayfs' }
  const { type } = statfsSync('/tmp')
  return names[type] ?? `a file system of type 0x${type.toString(16)}`
}
