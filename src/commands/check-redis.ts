import { connectRedis, type RedisConnection, type RedisServer } from '../../internal/database/redis.ts'
import { describeCause } from '../underlying-cause.ts'
import { checkCluster, checkSentinels } from './check-redis-failover.ts'
import { clock, type Finding } from './finding.ts'

const MIN_REDIS = [6, 2] as const
/** Redis may need a moment for its first connection. */
const REDIS_START_MS = 2_000

/** Three lines for each master, and one for who takes over when it is gone. */
export async function checkRedis(url: string | undefined): Promise<Finding[]> {
  if (url === undefined) return [{ ok: true, check: 'redis', detail: 'not used' }]
  const failover = [...(await checkCluster(url)), ...(await checkSentinels(url))]
  const redis = await readyRedis(url)
  try {
    const sentMs = Date.now()
    const servers = await redis.servers()
    const receivedMs = Date.now()
    const findings = servers.flatMap((server) => {
      const where = servers.length === 1 ? '' : `${server.address}: `
      return ofServer(server, sentMs, receivedMs).map((one) => ({ ...one, detail: `${where}${one.detail}` }))
    })
    return [...findings, ...failover]
  } catch (error) {
    return [{ ok: false, check: 'redis', detail: `REDIS_URL: ${describeCause(error)}` }, ...failover]
  } finally {
    await redis.close()
  }
}

function ofServer({ version, clockMs, evictionPolicy }: RedisServer, sentMs: number, receivedMs: number) {
  const policy =
    evictionPolicy === undefined
      ? 'cannot be read here'
      : `${evictionPolicy}${evictionPolicy === 'noeviction' ? '' : ', must be noeviction'}`
  return [
    redisVersion(version),
    clock('redis clock', clockMs, sentMs, receivedMs),
    {
      ok: evictionPolicy === undefined || evictionPolicy === 'noeviction',
      check: 'redis maxmemory-policy',
      detail: policy,
    },
  ]
}

async function readyRedis(url: string): Promise<RedisConnection> {
  let settle = () => {}
  const ready = new Promise<void>((resolve) => {
    settle = resolve
  })
  const redis = connectRedis(url, { onState: (state) => state === 'ready' && settle() })
  const timer = setTimeout(settle, REDIS_START_MS)
  await ready
  clearTimeout(timer)
  return redis
}

/** Valkey tells the version of Redis that it is compatible with. */
export function redisVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const ok = major > MIN_REDIS[0] || (major === MIN_REDIS[0] && minor >= MIN_REDIS[1])
  return {
    ok,
    check: 'redis',
    detail: `Redis ${version}${ok ? '' : `, ${MIN_REDIS.join('.')} or newer is needed`}`,
  }
}
