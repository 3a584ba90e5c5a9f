import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { findRedisProxy } from '../../internal/database/find-redis-proxy.ts'
import { connectRedis, type RedisConnection, type RedisServer } from '../../internal/database/redis.ts'
import type { RedisTls } from '../../internal/database/redis-client.ts'
import { engineFault, type RedisEngine } from '../../internal/database/redis-engine.ts'
import { rehearseRedis } from '../../internal/database/rehearse.ts'
import { type RedisSettings, redisPrefixOf } from '../runtime/redis-prefix.ts'
import { type RedisTlsSettings, redisTlsOf } from '../runtime/redis-tls.ts'
import { describeCause } from '../runtime/underlying-cause.ts'
import { checkCluster, checkSentinels } from './check-redis-failover.ts'
import { missingRights } from './check-redis-rights.ts'
import { clock, type Finding } from './finding.ts'

/** For the first connection. */
const REDIS_START_MS = 2_000

/** Three findings for each master, one for the scripts of an order, and those for the failover. */
export async function checkRedis(config: RedisSettings & RedisTlsSettings): Promise<Finding[]> {
  const { redisUrl: url } = config
  if (url === undefined) return [{ ok: true, check: 'redis', detail: 'not used' }]
  const tls = redisTlsOf(config)
  const failover = [...(await checkCluster(url, tls)), ...(await checkSentinels(url, tls))]
  const redis = await readyRedis(url, tls)
  try {
    const sentMs = Date.now()
    const servers = await redis.servers()
    const receivedMs = Date.now()
    const findings = servers.flatMap((server) => {
      const where = servers.length === 1 ? '' : `${server.address}: `
      return ofServer(server, sentMs, receivedMs).map((one) => ({ ...one, detail: `${where}${one.detail}` }))
    })
    return [...findings, await scripts(redis, url, config), ...failover]
  } catch (error) {
    const why = (await findRedisProxy(url, tls)) ?? explainRefusal(error)
    return [{ ok: false, check: 'redis', detail: `REDIS_URL: ${why}` }, ...failover]
  } finally {
    await redis.close()
  }
}

function ofServer({ engine, clockMs, evictionPolicy }: RedisServer, sentMs: number, receivedMs: number) {
  const policy =
    evictionPolicy === undefined
      ? 'cannot be read here'
      : `${evictionPolicy}${evictionPolicy === 'noeviction' ? '' : ', must be noeviction'}`
  return [
    redisEngine(engine),
    clock('redis clock', clockMs, sentMs, receivedMs),
    {
      ok: evictionPolicy === undefined || evictionPolicy === 'noeviction',
      check: 'redis maxmemory-policy',
      detail: policy,
    },
  ]
}

/** Whether the scripts of an order run, and which rights are missing. */
async function scripts(
  redis: RedisConnection,
  url: string,
  config: RedisSettings & RedisTlsSettings,
): Promise<Finding> {
  const check = 'redis scripts'
  try {
    const prefix = await redisPrefixOf(config)
    try {
      await rehearseRedis(redis, prefix)
      return { ok: true, check, detail: 'those of an order run' }
    } catch (error) {
      const missing = await missingRights(url, prefix, redisTlsOf(config))
      const lacks = missing.length === 0 ? '' : `; it may not use ${missing.join(', ')}`
      return { ok: false, check, detail: `${explainRefusal(error)}${lacks}` }
    }
  } catch (error) {
    return { ok: false, check, detail: describeCause(error) }
  }
}

async function readyRedis(url: string, tls: RedisTls): Promise<RedisConnection> {
  let settle = () => {}
  const ready = new Promise<void>((resolve) => {
    settle = resolve
  })
  const redis = connectRedis(url, { tls, onState: (state) => state === 'ready' && settle() })
  const timer = setTimeout(settle, REDIS_START_MS)
  await ready
  clearTimeout(timer)
  return redis
}

export function redisEngine(engine: RedisEngine | undefined): Finding {
  const check = 'redis'
  if (engine === undefined) return { ok: true, check, detail: 'its version cannot be read here' }
  const fault = engineFault(engine)
  return { ok: fault === undefined, check, detail: [engine.name, fault].filter(Boolean).join(', ') }
}
