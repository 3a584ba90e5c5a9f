import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { FaultProxy } from '../../src/tools/faults/fault-proxy.ts'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { attempt, type Job, type Tally } from '../support/proxy-clients.ts'
import { FAULTS_BEFORE, FAULTS_BEHIND } from '../support/proxy-setup.ts'
import { type Service, startService } from '../support/service.ts'
import { until } from '../support/until.ts'
import type { BackendKind } from './backend-kind.ts'
import { type Noted, RunningBackend } from './running-backend.ts'
import { argumentsFor } from './try-backend.ts'

export interface StormOptions {
  keys: number
  copies: number
  seed: string
  redisUrl: string
}

export interface StormReport {
  /** The promise, broken. */
  faults: string[]
  /** Copies by how they ended while connections were cut. */
  answered: number
  unknown: number
  lost: number
  runs: number
  /** Of requests that were cut within their headers: some servers run them, under a cut key or without one. */
  cut: number
}

/** What a copy was told at its end: the id of a run, or that the outcome is unknown. */
type End = { id: string; user: string } | 'unknown'

interface UserJob extends Job {
  user: string
}

const AT_ONCE = 16
const USERS = 5
const LEASE_MS = 3_000
const TIMEOUT_MS = 1_500
const PATIENCE_MS = 120_000
const QUIET_MS = 2_000
const PAUSE_MS = 50

/**
 * Copies of each request through two sidecars, while connections on both sides are delayed, cut, reset and swallowed.
 * Some keys are used by two users; some backends say 503 at first. When all is well again a lookup tells the sidecars
 * what the backend has done, and each request must come to the response of its one run.
 */
export async function storm(kind: BackendKind, options: StormOptions): Promise<StormReport> {
  const { seed } = options
  const backend = await RunningBackend.start(kind)
  const lookup = new TruthfulLookup(backend)
  const opened: (() => unknown)[] = [() => backend.abandon()]
  try {
    opened.push(await lookup.start())
    const proxyTo = async (port: number, name: string) => {
      const proxy = new FaultProxy({ target: { host: '127.0.0.1', port }, seed: `${seed}/${name}` })
      opened.push(() => proxy.close())
      return await proxy.start()
    }
    const behind = await proxyTo(backend.port, 'behind')
    const sidecars = await startSidecars(
      kind,
      options,
      `http://127.0.0.1:${behind.port}${backend.basePath}`,
      lookup.url,
    )
    for (const sidecar of sidecars) opened.push(() => sidecar.kill())
    const before = await Promise.all(sidecars.map(({ port }, n) => proxyTo(port, `before ${n}`)))
    const jobs = newJobs(kind, options)
    const tally: Tally = { attemptMs: 2 * TIMEOUT_MS, sent: 0, lost: 0, notYet: new Map() }
    const asking = { jobs, ports: before.map(({ port }) => port), random: seeded(seed), tally }

    behind.set(FAULTS_BEHIND)
    for (const proxy of before) proxy.set(FAULTS_BEFORE)
    const during = await askAll(asking, options.copies, true)
    for (const proxy of [behind, ...before]) {
      proxy.set({})
      proxy.cutAll('close')
    }
    await quiet(backend)
    lookup.tells = true
    const afterwards = await askAll(asking, 2, false)

    const ends = [...during.values()].flat()
    const runs = backend.noted().filter(({ what }) => what === 'run')
    const asked = new Set(jobs.map(({ key, user }) => `${key} ${user}`))
    return {
      faults: backend.hasEnded
        ? [`the backend has ended by itself: ${backend.log()}`]
        : jobs.flatMap((job) => faultsOf(job, [during, afterwards], runs)),
      answered: ends.filter((end) => typeof end === 'object').length,
      unknown: ends.filter((end) => end === 'unknown').length,
      lost: tally.lost,
      runs: runs.length,
      cut: runs.filter(({ key, user }) => !asked.has(`${key} ${user}`)).length,
    }
  } finally {
    for (const end of opened.reverse()) await end()
  }
}

function newJobs(kind: BackendKind, { keys, seed }: StormOptions): UserJob[] {
  // A response that ends with its connection looks whole wherever the connection is cut (RFC 9112, 8).
  const paths = kind.endsWithConnection ? ['charge', 'flaky'] : ['charge', 'flaky', 'chunked']
  return Array.from({ length: keys }, (_, n) => {
    const user = `user-${n % USERS}`
    const job = (of: string): UserJob => ({
      key: `${seed}-${kind.name.replace(/\W+/g, '-')}-${n}`,
      target: `/${paths[n % paths.length]}`,
      body: JSON.stringify({ amount: 500 + n }),
      user: of,
      headers: { 'X-User': of },
    })
    return n % 10 === 0 ? [job(user), job('another')] : [job(user)]
  }).flat()
}

async function startSidecars(
  kind: BackendKind,
  { redisUrl, seed }: StormOptions,
  target: string,
  lookup: string,
): Promise<Service[]> {
  const args = [
    ...['proxy', '--target', target, '--name', `storm-${seed}-${new URL(target).port}`],
    ...[
      '--caller',
      'header:x-user',
      '--timeout',
      `${TIMEOUT_MS}ms`,
      '--lookup',
      lookup,
      ...argumentsFor(kind),
    ],
  ]
  const settings = { REDIS_URL: redisUrl, IDEMPOTENCY_LEASE: `${LEASE_MS}ms`, LOG_LEVEL: 'error' }
  return await Promise.all([1, 2].map(() => startService(settings, args)))
}

/** What the backend has done, told to the sidecars once the storm is over. */
class TruthfulLookup {
  readonly #backend: RunningBackend
  readonly #server: Server
  tells = false
  #url = ''

  constructor(backend: RunningBackend) {
    this.#backend = backend
    this.#server = createServer((req, res) => {
      const key = new URL(req.url ?? '', 'http://lookup').searchParams.get('key')
      if (!this.tells) return void res.writeHead(503).end()
      const caller = req.headers['idempotency-client']
      const run = this.#backend
        .noted()
        .find((one) => one.what === 'run' && one.key === key && nameOf(one.user) === caller)
      if (run === undefined) return void res.writeHead(200, { 'Idempotency-Outcome': 'none' }).end()
      const { user, id } = run
      res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ key, user, id }))
    })
  }

  get url(): string {
    return this.#url
  }

  async start(): Promise<() => void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('it listens on TCP')
    this.#url = `http://127.0.0.1:${address.port}/?key={key}`
    return () => this.#server.close().closeAllConnections()
  }
}

/** What the sidecar calls a user: see name-caller.ts. */
function nameOf(user: string): string {
  return `h-${createHash('sha256').update(user).digest('hex').slice(0, 32)}`
}

interface Asking {
  jobs: readonly UserJob[]
  ports: readonly number[]
  random: () => number
  tally: Tally
}

/** All copies of each job, each until its end. Once the storm is over, an unknown outcome is not the end. */
async function askAll(
  asking: Asking,
  copies: number,
  unknownIsEnd: boolean,
): Promise<Map<UserJob, (End | undefined)[]>> {
  const ends = new Map<UserJob, (End | undefined)[]>()
  const queue = [...asking.jobs]
  const worker = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const one = job
      const copy = () => askOne(one, asking, unknownIsEnd)
      ends.set(job, await Promise.all(Array.from({ length: copies }, copy)))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return ends
}

async function askOne(job: UserJob, asking: Asking, unknownIsEnd: boolean): Promise<End | undefined> {
  const { ports, random, tally } = asking
  const untilMs = performance.now() + PATIENCE_MS
  while (performance.now() < untilMs) {
    const reply = await attempt(job, ports[Math.floor(random() * ports.length)] ?? 0, tally)
    if (unknownIsEnd && reply?.code === 'outcome_unknown') return 'unknown'
    // What is no problem document is the backend's: its 503 frees the key, a 502 or 504 makes it unknown.
    if (reply?.code === '' && reply.status < 300) return responseOf(reply.body.toString())
    await sleep(PAUSE_MS * (0.5 + random()))
  }
  return undefined
}

function responseOf(text: string): End {
  const of = (name: string) =>
    new RegExp(`"${name}": ?"([^"]*)"`).exec(text)?.[1] ?? `none in ${text.slice(0, 200)}`
  return { id: of('id'), user: of('user') }
}

/** A request that was cut off may still reach the backend for a moment. */
async function quiet(backend: RunningBackend): Promise<void> {
  let count = -1
  let sinceMs = performance.now()
  await until(
    'the backend to be quiet',
    () => {
      const now = backend.noted().length
      if (now !== count) sinceMs = performance.now()
      count = now
      return performance.now() - sinceMs > QUIET_MS
    },
    PATIENCE_MS,
  )
}

/** What the copies of one job were told, held against what the backend has done. */
function faultsOf(
  job: UserJob,
  asked: Map<UserJob, (End | undefined)[]>[],
  runs: readonly Noted[],
): string[] {
  const name = `${job.key} of ${job.user}`
  const own = runs.filter(({ key, user }) => key === job.key && user === job.user)
  const found = own.length > 1 ? [`${name}: run ${own.length} times`] : []
  for (const end of asked.flatMap((ends) => ends.get(job) ?? [])) {
    if (end === undefined) found.push(`${name}: a copy did not come to an end`)
    else if (end !== 'unknown' && (end.user !== job.user || end.id !== own[0]?.id))
      found.push(`${name}: got the response of ${end.user}, run ${end.id} instead of ${own[0]?.id}`)
  }
  return found
}
