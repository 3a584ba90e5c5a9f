import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { send } from './order-client.ts'
import { createDatabase, startRedis } from './servers.ts'
import { type Service, type Settings, startService } from './service.ts'
import { until } from './until.ts'

/** A service of two workers with a database and a Redis of its own. */
export async function startWorkers(t: TestContext, own: Settings = {}) {
  const [redis, database] = await Promise.all([startRedis(), createDatabase()])
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    RATE_LIMITS: 'none',
    WORKERS: '2',
    ...own,
  }
  const service = await startService(settings)
  t.after(async () => {
    await service.kill()
    await until('the workers are gone', () => workerPids(service).every((pid) => !alive(pid)))
    await Promise.all([redis.stop(), database.drop()])
  })
  await until('its log lines are here', () => workerPids(service).length === 2)
  return { service, settings, databaseUrl: database.url }
}

/** Of all that were ever ready, in that order. */
export function workerPids(service: Service): number[] {
  return lines(service)
    .filter(({ msg }) => msg === 'a worker is ready')
    .map(({ worker_pid }) => Number(worker_pid))
}

/** The log lines so far. What is no JSON, as the banner, is left out; half a line at the end too. */
export function lines(service: Service): Record<string, unknown>[] {
  return service
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line))
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The sum of all series of a metric. */
export async function metric(url: string, name: string): Promise<number> {
  const { status, body } = await send(`${url}/metrics`)
  assert.equal(status, 200)
  return body
    .toString()
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
