import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Service, startService } from '../support/service.ts'
import type { BenchServers } from './bench-servers.ts'
import { TRACE_GARBAGE } from './garbage.ts'
import { installPeers, PEERS } from './install-peers.ts'
import { SECRET } from './requests.ts'

/** Who competes with whom: on orders, builds on payments, on forwarding to a backend, and one process with many. */
export type Contest = 'orders' | 'payments' | 'forwarding' | 'workers'

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
  /** Of another directory; undefined: of this one, or it is no build of ours. */
  build?: Build
  /** `node` options come before the program. */
  start: (servers: BenchServers, quota: Quota, node?: readonly string[]) => Promise<Service>
}

/** A clone of oncekey that is built, and how it is run. */
export interface Build {
  name: string
  directory: string
  /** The program that runs it; undefined: the one that runs this. */
  node: string | undefined
  /** Options of that program. */
  flags: readonly string[]
  /** Settings that the contestants of this build have as well. */
  settings: Settings
}

export type Settings = Record<string, string>

const FLOOR = fileURLToPath(new URL('./floor.js', import.meta.url))
const FORWARDER = fileURLToPath(new URL('./forwarder.js', import.meta.url))
const THIS: Build = {
  name: '',
  directory: fileURLToPath(new URL('../..', import.meta.url)),
  node: undefined,
  flags: [],
  settings: {},
}
/** As long as the response to an order of requests.ts. */
const RESPONSE_BYTES = 183

const QUOTAS: Record<Quota, { points: number; windowS: number }> = {
  ample: { points: 1_000_000, windowS: 1 },
  spent: { points: 1, windowS: 86_400 },
}

export const CONTESTANTS: readonly Contestant[] = [
  floor('koa-sync', 'bare Koa: reads the body, returns a constant at once', 'sync'),
  floor('koa-batched', 'bare Koa: the same, after setImmediate()', 'batched'),
  ...onOrders(THIS),
  peer('koa-peer', 'Koa 3, @node-idempotency/core, rate-limiter-flexible, postgres.js', 'koa.js'),
  peer('express-peer', 'Express 5, express-idempotency, rate-limiter-flexible, postgres.js', 'express.js'),
  peer('hono-peer', 'Hono 4, @node-idempotency/core, rate-limiter-flexible, postgres.js', 'hono.js'),
  forwarder('undici', 'bare undici: a server, pool.request() and a pipe', 'floor'),
  payments(THIS),
  sidecar(THIS),
  forwarder('http-proxy', 'http-proxy with kept connections', 'peer'),
  workers('workers-1', 'oncekey with Redis and PostgreSQL, one process', '1'),
  workers('workers-auto', 'the same, a process for each core', 'auto'),
]

/** The same contestants of other builds, behind those of this one: `redis+postgres@NAME`. */
export function withBuilds(builds: readonly Build[]): Contestant[] {
  const others = builds.flatMap((build) => [...onOrders(build), payments(build), sidecar(build)])
  return CONTESTANTS.flatMap((one) => [one, ...others.filter(({ name }) => name.startsWith(`${one.name}@`))])
}

/** `redis+postgres` of `redis+postgres@NAME`. */
export function nameInThis({ name }: Pick<Contestant, 'name'>): string {
  return name.replace(/@.*$/, '')
}

function onOrders(build: Build): Contestant[] {
  return [
    ours('redis+postgres', 'oncekey with Redis and PostgreSQL', redisAndPostgres, build),
    ours(
      'postgres',
      'oncekey with PostgreSQL',
      async (servers) => ({ DATABASE_URL: await servers.database() }),
      build,
    ),
    ours('embedded', 'oncekey with its embedded database', async () => ({}), build),
  ]
}

/** Gateways are slow: only builds are compared here, with one that responds at once. */
function payments(build: Build): Contestant {
  const what = 'oncekey with Redis and PostgreSQL, its simulated gateway without delay'
  return { ...ours('payments', what, redisAndPostgres, build), contest: 'payments' }
}

function sidecar(build: Build): Contestant {
  return of(build, {
    name: 'sidecar',
    what: 'oncekey proxy, with Redis',
    contest: 'forwarding',
    kind: 'ours',
    async start(servers, _quota, node = []) {
      const settings = { REDIS_URL: servers.redisDatabase(), LOG_FILE: '/dev/null' }
      return await runBuild(build, settings, node, ['proxy', '--target', await servers.backend(startBackend)])
    },
  })
}

function of(build: Build, contestant: Contestant): Contestant {
  if (build === THIS) return contestant
  const { name, what } = contestant
  return { ...contestant, name: `${name}@${build.name}`, what: `${what}, as in ${build.directory}`, build }
}

async function redisAndPostgres(servers: BenchServers): Promise<Settings> {
  return { REDIS_URL: servers.redisDatabase(), DATABASE_URL: await servers.database() }
}

function floor(name: string, what: string, how: 'sync' | 'batched'): Contestant {
  return {
    name,
    what,
    contest: 'orders',
    kind: 'floor',
    start: (_servers, _quota, node = []) => run({}, [...node, FLOOR, how, `${RESPONSE_BYTES}`]),
  }
}

function ours(
  name: string,
  what: string,
  stores: (servers: BenchServers) => Promise<Settings>,
  build = THIS,
): Contestant {
  return of(build, {
    name,
    what,
    contest: 'orders',
    kind: 'ours',
    async start(servers, quota, node = []) {
      const { points, windowS } = QUOTAS[quota]
      const settings = {
        HMAC_SECRET: SECRET,
        SIMULATED_GATEWAY: 'delay=0ms',
        LOG_FILE: '/dev/null',
        RATE_LIMITS: `client=${points}/${windowS}s`,
        ...(await stores(servers)),
      }
      return await runBuild(build, settings, node, ['serve'])
    },
  })
}

function peer(name: string, what: string, file: string): Contestant {
  return {
    name,
    what,
    contest: 'orders',
    kind: 'peer',
    async start(servers, quota, node = []) {
      installPeers()
      const { points, windowS } = QUOTAS[quota]
      const settings = {
        HMAC_SECRET: SECRET,
        QUOTA: `${points}`,
        WINDOW_S: `${windowS}`,
        ...(await redisAndPostgres(servers)),
      }
      return await run(settings, [...node, join(PEERS, file)])
    },
  }
}

function workers(name: string, what: string, count: string): Contestant {
  const stores = async (servers: BenchServers) => ({ ...(await redisAndPostgres(servers)), WORKERS: count })
  return { ...ours(name, what, stores), contest: 'workers', manyCores: true }
}

function forwarder(name: string, what: string, kind: 'floor' | 'peer'): Contestant {
  return {
    name,
    what,
    contest: 'forwarding',
    kind,
    start: async (servers, _quota, node = []) =>
      await run({}, ['--no-deprecation', ...node, FORWARDER, name, await servers.backend(startBackend)]),
  }
}

function startBackend(): Promise<Service> {
  return run({}, [FORWARDER, 'backend'])
}

function runBuild(
  build: Build,
  settings: Settings,
  node: readonly string[],
  args: readonly string[],
): Promise<Service> {
  const program = join(build.directory, 'src/oncekey.js')
  return run({ ...settings, ...build.settings }, [...node, ...build.flags, program, ...args], build.node)
}

function run(settings: Settings, [program = '', ...args]: string[], node?: string): Promise<Service> {
  const all = { NODE_ENV: 'production', HOST: '127.0.0.1', ...settings }
  return startService(all, [program, ...args], TRACE_GARBAGE, node)
}
