import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Service, startService } from '../support/service.ts'
import { installPeers, PEERS } from './install-peers.ts'
import { SECRET } from './requests.ts'
import type { Stage } from './stage.ts'

/** Who competes with whom: on orders, on forwarding to a backend, and one process with many. */
export type Contest = 'orders' | 'forwarding' | 'workers'

/** How much a client may: more than it can ask for, or one request a day. */
export type Quota = 'ample' | 'spent'

export interface Contestant {
  name: string
  /** What is in it, for the report. */
  what: string
  contest: Contest
  kind: 'floor' | 'ours' | 'peer'
  /** Runs on this machine's cores as it likes, not on the one of the contestants. */
  manyCores?: boolean
  /** `node` options come before the program. */
  start: (stage: Stage, quota: Quota, node?: readonly string[]) => Promise<Service>
}

type Settings = Record<string, string>

const FLOOR = fileURLToPath(new URL('./floor.js', import.meta.url))
const FORWARDER = fileURLToPath(new URL('./forwarder.js', import.meta.url))
const ONCEKEY = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))
/** As long as the answer to an order of requests.ts. */
const ANSWER_BYTES = 183

const QUOTAS: Record<Quota, { points: number; windowS: number }> = {
  ample: { points: 1_000_000, windowS: 1 },
  spent: { points: 1, windowS: 86_400 },
}

export const CONTESTANTS: readonly Contestant[] = [
  floor('koa-sync', 'bare Koa: reads the body, answers a constant at once', 'sync'),
  floor('koa-batched', 'bare Koa: the same, after setImmediate()', 'batched'),
  ours('redis+postgres', 'oncekey with Redis and PostgreSQL', redisAndPostgres),
  ours('postgres', 'oncekey with PostgreSQL', async (stage) => ({ DATABASE_URL: await stage.database() })),
  ours('embedded', 'oncekey with its embedded database', async () => ({})),
  peer('koa-peer', 'Koa 3, @node-idempotency/core, rate-limiter-flexible, postgres.js', 'koa.js'),
  peer('express-peer', 'Express 5, express-idempotency, rate-limiter-flexible, postgres.js', 'express.js'),
  peer('hono-peer', 'Hono 4, @node-idempotency/core, rate-limiter-flexible, postgres.js', 'hono.js'),
  forwarder('undici', 'bare undici: a server, pool.request() and a pipe', 'floor'),
  {
    ...{ name: 'sidecar', what: 'oncekey proxy, with Redis', contest: 'forwarding', kind: 'ours' },
    start: async (stage, _quota, node = []) =>
      await run({ REDIS_URL: stage.redisDatabase(), LOG_FILE: '/dev/null' }, [
        ...[...node, ONCEKEY, 'proxy', '--target', await stage.backend(startBackend)],
      ]),
  },
  forwarder('http-proxy', 'http-proxy with kept connections', 'peer'),
  workers('workers-1', 'oncekey with Redis and PostgreSQL, one process', '1'),
  workers('workers-auto', 'the same, a process for each core', 'auto'),
]

async function redisAndPostgres(stage: Stage): Promise<Settings> {
  return { REDIS_URL: stage.redisDatabase(), DATABASE_URL: await stage.database() }
}

function floor(name: string, what: string, how: 'sync' | 'batched'): Contestant {
  return {
    ...{ name, what, contest: 'orders', kind: 'floor' },
    start: (_stage, _quota, node = []) => run({}, [...node, FLOOR, how, `${ANSWER_BYTES}`]),
  }
}

function ours(name: string, what: string, stores: (stage: Stage) => Promise<Settings>): Contestant {
  return {
    ...{ name, what, contest: 'orders', kind: 'ours' },
    async start(stage, quota, node = []) {
      const { points, windowS } = QUOTAS[quota]
      const settings = {
        ...{ HMAC_SECRET: SECRET, LOG_FILE: '/dev/null' },
        RATE_LIMITS: `client=${points}/${windowS}s`,
        ...(await stores(stage)),
      }
      return await run(settings, [...node, ONCEKEY, 'serve'])
    },
  }
}

function peer(name: string, what: string, file: string): Contestant {
  return {
    ...{ name, what, contest: 'orders', kind: 'peer' },
    async start(stage, quota, node = []) {
      installPeers()
      const { points, windowS } = QUOTAS[quota]
      const settings = {
        ...{ HMAC_SECRET: SECRET, QUOTA: `${points}`, WINDOW_S: `${windowS}` },
        ...(await redisAndPostgres(stage)),
      }
      return await run(settings, [...node, join(PEERS, file)])
    },
  }
}

function workers(name: string, what: string, count: string): Contestant {
  const stores = async (stage: Stage) => ({ ...(await redisAndPostgres(stage)), WORKERS: count })
  return { ...ours(name, what, stores), contest: 'workers', manyCores: true }
}

function forwarder(name: string, what: string, kind: 'floor' | 'peer'): Contestant {
  return {
    ...{ name, what, contest: 'forwarding', kind },
    start: async (stage, _quota, node = []) =>
      await run({}, ['--no-deprecation', ...node, FORWARDER, name, await stage.backend(startBackend)]),
  }
}

function startBackend(): Promise<Service> {
  return run({}, [FORWARDER, 'backend'])
}

function run(settings: Settings, [program = '', ...args]: string[]): Promise<Service> {
  return startService({ NODE_ENV: 'production', HOST: '127.0.0.1', ...settings }, args, program)
}
