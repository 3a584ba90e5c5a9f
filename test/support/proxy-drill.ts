import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultKind } from '../../src/tools/faults/faults.ts'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { ask, attempt, type Final, type Job, type Tally } from './proxy-clients.ts'
import {
  FAULTS_BEFORE,
  FAULTS_BEHIND,
  openProxySetup,
  type ProxySetup,
  type ProxySetupOptions,
  type Run,
} from './proxy-setup.ts'
import { until } from './until.ts'

export interface DrillOptions extends ProxySetupOptions {
  /** In the storm of faults; a tenth of it while a sidecar is killed, and while Redis is away. */
  keys: number
  copies: number
  /** Keys at work at the same time. */
  atOnce: number
  /** For each key to come to an end. */
  patienceMs: number
  onPhase?: (phase: string, done: () => number, of: number) => void
}

export interface DrillReport {
  /** The promise, broken. */
  violations: string[]
  /** Keys by how they ended. */
  answered: number
  unknown: number
  /** Keys whose copies did not come to an end, and those that were run. */
  open: number
  runs: number
  unknownByKill: number
  /** Requests while Redis was away. */
  refused: number
  struck: { before: Record<FaultKind, number>; behind: Record<FaultKind, number> }
  tally: Tally
}

/** A sidecar says 503 within 3 s; a machine that is busy with other things may take longer. */
const REFUSAL_MS = 30_000

interface Drill {
  options: DrillOptions
  setup: ProxySetup
  jobs: Job[]
  finals: Map<string, Final[]>
  violations: string[]
  tally: Tally
  random: () => number
  open: Set<string>
}

/** Runs all phases and holds what the clients were told against what the backend has done. */
export async function proxyDrill(options: DrillOptions): Promise<DrillReport> {
  const setup = await openProxySetup(options)
  const drill: Drill = {
    options,
    setup,
    jobs: [],
    finals: new Map(),
    violations: [],
    open: new Set(),
    tally: { attemptMs: 2 * options.timeoutMs, sent: 0, lost: 0, notYet: new Map() },
    random: seeded(options.seed),
  }
  try {
    await storm(drill)
    // What is broken by then is not mended by what follows.
    const goesOn = faultsFound(drill, setup.runs()).length === 0
    const unknownByKill = goesOn ? await killOne(drill) : 0
    if (goesOn) await askAgain(drill)
    const refused = goesOn ? await withoutRedis(drill) : 0
    const runs = setup.runs()
    drill.violations.push(...faultsFound(drill, runs))
    const ends = [...drill.finals.values()].map(([first]) => first?.kind)
    return {
      violations: drill.violations,
      answered: ends.filter((kind) => kind === 'answer').length,
      unknown: ends.filter((kind) => kind === 'unknown').length,
      open: drill.open.size,
      runs: runs.filter(({ key }) => key !== null).length,
      unknownByKill,
      refused,
      tally: drill.tally,
      struck: {
        before: sum(setup.before.map((one) => one.stats().struck)),
        behind: setup.behind.stats().struck,
      },
    }
  } finally {
    await setup.close()
  }
}

/** Faults on both sides of the sidecars. */
async function storm(drill: Drill): Promise<void> {
  const { setup, options } = drill
  setup.behind.set(FAULTS_BEHIND)
  for (const proxy of setup.before) proxy.set(FAULTS_BEFORE)
  // Most are ordinary; some come to nothing good by themselves.
  const targets = ['/cut', '/fail', '/slow?ms=100']
  const jobs = newJobs(drill, 'storm', options.keys, (n) => targets[n % 20] ?? '/charge')
  await sendAll(drill, 'faults everywhere', jobs, options.copies)
  setup.heal()
}

/** kill -9 while requests are in flight, and no other fault. Returns how many of these keys have an unknown outcome. */
async function killOne(drill: Drill): Promise<number> {
  const { setup, options } = drill
  const [victim] = setup.sidecars
  const jobs = newJobs(drill, 'kill', Math.ceil(options.keys / 10), () => '/slow?ms=1000')
  const before = setup.runs().length
  const all = sendAll(drill, 'kill -9 of a sidecar', jobs, options.copies)
  await until(
    'requests to be in flight',
    () => setup.runs().length >= before + Math.min(options.atOnce, jobs.length),
  )
  await victim?.kill()
  await sleep(options.leaseMs / 2)
  await victim?.restart()
  await all
  return jobs.filter(({ key }) => drill.finals.get(key)?.[0]?.kind === 'unknown').length
}

/** When all is well again, every key still has the same end, on both sidecars. */
async function askAgain(drill: Drill): Promise<void> {
  await sendAll(drill, 'every key asked again', [...drill.jobs], 1)
  await sendAll(drill, 'and once more', [...drill.jobs], 1)
}

/** 503 and a backend that is not called: while Redis hangs, and while it is gone. Between the two, the keys work. */
async function withoutRedis(drill: Drill): Promise<number> {
  const { setup, options } = drill
  const { redis } = setup
  const count = Math.ceil(options.keys / 10)
  const hung = newJobs(drill, 'hung', count, () => '/charge')
  redis.pause()
  const refusedHung = await refuse(drill, hung, 'Redis hangs')
  redis.resume()
  await sendAll(drill, 'Redis is back', hung, options.copies)
  await redis.kill()
  return (
    refusedHung +
    (await refuse(
      drill,
      newJobs(drill, 'gone', count, () => '/charge'),
      'Redis is gone',
    ))
  )
}

async function refuse(drill: Drill, jobs: readonly Job[], when: string): Promise<number> {
  const { setup, tally, violations } = drill
  const before = setup.runs().length
  drill.options.onPhase?.(when, () => jobs.length, jobs.length)
  const ports = setup.before.map(({ port }) => port)
  const replies = await Promise.all(
    jobs.map((job, n) => attempt(job, ports[n % ports.length] ?? 0, tally, REFUSAL_MS)),
  )
  for (const [n, reply] of replies.entries()) {
    if (reply?.code === 'store_unavailable') continue
    const got = reply === undefined ? 'no response' : `${reply.status} ${reply.code}`
    violations.push(`${jobs[n]?.key}: ${when}, and the response was ${got} instead of 503 store_unavailable`)
  }
  const runs = setup.runs().length - before
  if (runs > 0) violations.push(`${when}, and the backend was called ${runs} times`)
  return replies.length
}

function newJobs(drill: Drill, name: string, count: number, target: (n: number) => string): Job[] {
  const { seed } = drill.options
  return Array.from({ length: count }, (_, n) => ({
    key: `${seed}-${name}-${n}`,
    target: target(n),
    body: JSON.stringify({ amount: 500 + n }),
  }))
}

/** All copies of each job, each until it has its end. */
async function sendAll(drill: Drill, phase: string, jobs: Job[], copies: number): Promise<void> {
  const { options, setup, finals, tally, random, open } = drill
  const ports = setup.before.map(({ port }) => port)
  let done = 0
  options.onPhase?.(phase, () => done, jobs.length)
  const queue = [...jobs]
  const known = new Set(drill.jobs)
  drill.jobs.push(...jobs.filter((job) => !known.has(job)))
  const worker = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const deadlineMs = Date.now() + options.patienceMs
      const one = job
      const copy = () => ask(one, ports, deadlineMs, random, tally)
      const ends = await Promise.all(Array.from({ length: copies }, copy))
      const told = finals.get(job.key) ?? []
      finals.set(job.key, told)
      for (const end of ends) {
        if (end === undefined) open.add(job.key)
        else told.push(end)
      }
      done++
    }
  }
  await Promise.all(Array.from({ length: options.atOnce }, worker))
}

/** What the clients were told, against what the backend has done. */
function faultsFound({ finals, open }: Drill, runs: readonly Run[]): string[] {
  const found: string[] = []
  const byKey = new Map<string | null, Run[]>()
  for (const run of runs) byKey.set(run.key, [...(byKey.get(run.key) ?? []), run])
  for (const [key, own] of byKey) {
    if (key !== null && own.length > 1) found.push(`${key}: the backend has run it ${own.length} times`)
  }
  for (const [key, told] of finals) {
    const different = new Set(told.map((final) => JSON.stringify(final)))
    if (different.size > 1) found.push(`${key}: different ends: ${[...different].join(' and ')}`)
    const [first] = told
    const [ran] = byKey.get(key) ?? []
    if (first?.kind !== 'answer') continue
    if (ran === undefined) found.push(`${key}: got a response, and the backend knows nothing of it`)
    else if (!first.body.includes(`"${key}"`) || !first.body.includes(`"${ran.at}"`)) {
      found.push(`${key}: the response is not the one of its run at ${ran.at}: ${first.body}`)
    }
  }
  for (const key of open) found.push(`${key}: a copy did not come to an end`)
  return found
}

function sum(all: readonly Record<FaultKind, number>[]): Record<FaultKind, number> {
  const of = (kind: FaultKind) => all.reduce((total, one) => total + one[kind], 0)
  return {
    latency: of('latency'),
    rate: of('rate'),
    cut: of('cut'),
    reset: of('reset'),
    blackhole: of('blackhole'),
    hold: of('hold'),
    'half-close': of('half-close'),
    refuse: of('refuse'),
  }
}
