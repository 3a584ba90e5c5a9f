import { parseArgs } from 'node:util'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { pendingMigrations } from '../../internal/database/migrate.ts'
import { connectRedis, type RedisConnection } from '../../internal/database/redis.ts'
import { type Config, readConfig } from '../config.ts'
import { SQL_DIRECTORY } from '../package-root.ts'

const HELP = `Usage: oncekey doctor

Checks the settings, the database (connection, version, clock, migrations) and Redis (connection, version, clock,
maxmemory-policy): a line each, exit code 1 if one of them is at fault.
`

interface Finding {
  ok: boolean
  check: string
  detail: string
}

/** PostgreSQL 14, as server_version_num. */
const MIN_POSTGRES = 140_000
/** Leases and quotas go by the clocks of the stores, signatures by ours: with more skew partners are refused. */
const MAX_SKEW_MS = 5_000
/** Redis may need a moment for its first connection. */
const REDIS_START_MS = 2_000

export async function doctor(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const config = readConfig()
  const findings: Finding[] = [{ ok: true, check: 'settings', detail: 'valid' }]
  findings.push(...(await checkDatabase(config)), ...(await checkRedis(config)))
  for (const { ok, check, detail } of findings)
    process.stdout.write(`${ok ? 'ok   ' : 'FAULT'} ${check}: ${detail}\n`)
  return findings.every(({ ok }) => ok) ? 0 : 1
}

async function checkDatabase(config: Config): Promise<Finding[]> {
  if (config.databaseUrl === undefined) {
    return [{ ok: true, check: 'database', detail: `embedded, under ${config.dataDir}; opened by serve` }]
  }
  const database = openDatabase(config.databaseUrl)
  try {
    return [await databaseVersion(database), await databaseClock(database), await migrations(database)]
  } catch (error) {
    return [{ ok: false, check: 'database', detail: `DATABASE_URL: ${describe(error)}` }]
  } finally {
    await database.close()
  }
}

async function databaseVersion(database: Database): Promise<Finding> {
  const [row] = await database.run(
    (sql) =>
      sql`SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number`,
  )
  const ok = Number(row?.number) >= MIN_POSTGRES
  return { ok, check: 'database', detail: `PostgreSQL ${row?.version}${ok ? '' : ', 14 or newer is needed'}` }
}

async function databaseClock(database: Database): Promise<Finding> {
  const [row] = await database.run((sql) => sql`SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms`)
  return clock('database clock', Number(row?.ms))
}

async function migrations(database: Database): Promise<Finding> {
  const pending = await pendingMigrations(database, SQL_DIRECTORY)
  const detail =
    pending.length === 0 ? 'all applied' : `${pending.join(', ')} not applied: run oncekey migrate`
  return { ok: pending.length === 0, check: 'migrations', detail }
}

async function checkRedis(config: Config): Promise<Finding[]> {
  if (config.redisUrl === undefined) return [{ ok: true, check: 'redis', detail: 'not used' }]
  const redis = await readyRedis(config.redisUrl)
  try {
    const { version, clockMs } = await redis.server()
    const policy = await redis.evictionPolicy()
    return [
      { ok: true, check: 'redis', detail: `Redis ${version}` },
      clock('redis clock', clockMs),
      {
        ok: policy === undefined || policy === 'noeviction',
        check: 'redis maxmemory-policy',
        detail:
          policy === undefined
            ? 'cannot be read here'
            : `${policy}${policy === 'noeviction' ? '' : ', must be noeviction'}`,
      },
    ]
  } catch (error) {
    return [{ ok: false, check: 'redis', detail: `REDIS_URL: ${describe(error)}` }]
  } finally {
    await redis.close()
  }
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

function clock(check: string, ms: number): Finding {
  const skewMs = Math.round(ms - Date.now())
  return { ok: Math.abs(skewMs) <= MAX_SKEW_MS, check, detail: `${skewMs} ms from ours` }
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
