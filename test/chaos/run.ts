import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage } from '../../internal/core/error-message.ts'
import { ServerDownError } from '../support/servers.ts'
import { EventTraffic } from './event-traffic.ts'
import type { FaultContext, Hit } from './fault-context.ts'
import type { FaultKind } from './fault-kinds.ts'
import { monotonicMs } from './history.ts'
import { inject, placesOf } from './inject.ts'
import { type Installation, openInstallation } from './installation.ts'
import { LimiterWatch } from './limiter-watch.ts'
import { reviveAll } from './node-faults.ts'
import type { FaultDone, Outcome } from './outcome.ts'
import { Partners, type Tally } from './partners.ts'
import { Places } from './places.ts'
import { readRows } from './read-truth.ts'
import type { RunPlan } from './run-plan.ts'
import { type PlannedFault, restMs } from './schedule.ts'
import { endsWithin, VoidRun } from './void-run.ts'

export interface RunOptions {
  plan: RunPlan
  faults: readonly PlannedFault[]
  /** Gets everything that the checker needs. */
  directory: string
  /** Of the product, see build-mutant.ts. */
  program: string
  otherProgram: string | undefined
  onProgress?: (progress: Progress) => void
}

export interface Progress {
  phase: string
  elapsedMs: number
  tally: Tally
  faultsDone: number
  faultsInFlight: readonly string[]
}

/** Beyond lease and hold, for a machine that has other things to do. */
const QUIET_MS = 1_000
const PROGRESS_EVERY_MS = 500
/** For the start, the healing, the quiet, the last questions and the end, on a machine that is busy. */
const BESIDE_LOAD_MS = 300_000
/** For each server and node to end; what is left ends with this process. */
const CLOSE_MS = 30_000

/**
 * Load, faults, healing, quiet, and what is left: all of it into files. What it means is for check.ts to say. Rejects
 * with VoidRun when a server does not start again, or something hangs.
 */
export async function runChaos(options: RunOptions): Promise<void> {
  const { plan, directory, faults, program, otherProgram } = options
  mkdirSync(directory, { recursive: true })
  const write = (name: string, value: unknown) =>
    writeFileSync(join(directory, name), `${JSON.stringify(value)}\n`)
  write('plan.json', plan)
  write('schedule.json', faults)
  const installation = await openInstallation({ plan, directory, program, otherProgram })
  try {
    await endsWithin(record(options, installation, write), plan.durationMs + BESIDE_LOAD_MS, 'the run')
  } finally {
    await endsWithin(installation.close(), CLOSE_MS, 'its servers').catch((error: unknown) =>
      console.error(String(error)),
    )
  }
}

async function record(
  options: RunOptions,
  installation: Installation,
  write: (name: string, value: unknown) => void,
): Promise<void> {
  const { plan, directory } = options
  let partners: Partners | undefined
  try {
    const urls = installation.nodes.map(({ service }) => service.url)
    const events = await EventTraffic.start(installation, directory)
    partners = await Partners.start(plan, urls, directory)
    const outcome = await drive(options, installation, partners, events)
    await keepWords(installation, directory)
    for (const { service } of installation.nodes) await service.stop()
    for (const { n, service } of installation.nodes)
      writeFileSync(join(directory, `said-${n}.txt`), service.log())
    write(
      'rows.json',
      installation.postgres === undefined || plan.mode === 'proxy'
        ? NO_ROWS
        : await readRows(installation.postgres.url),
    )
    await events?.write()
    write('outcome.json', outcome)
  } finally {
    partners?.end()
  }
}

const NO_ROWS = { orders: [], payments: [], audit: [], auditFault: '' }

async function drive(
  { plan, faults, onProgress }: RunOptions,
  installation: Installation,
  partners: Partners,
  events: EventTraffic | undefined,
): Promise<Outcome> {
  const crashes: string[] = []
  const faultContext: FaultContext = {
    installation,
    event: (event, { node = 0, count }) => partners.event({ event, node, count }),
    inFlight: () => partners.tally.sent - partners.tally.ended - partners.tally.lost,
    onCrash: (node, ending) => crashes.push(`node ${node} ended with ${ending}`),
  }
  const watch = new LimiterWatch(installation.nodes.map(({ logFile }) => logFile))
  const commit = commitOf()
  const startedOn = new Date().toISOString()
  const startedAt = monotonicMs()
  const done: FaultDone[] = []
  const faultsInFlight = new Set<string>()
  let phase = 'load and faults'
  const progress = setInterval(
    () =>
      onProgress?.({
        phase,
        elapsedMs: monotonicMs() - startedAt,
        tally: partners.tally,
        faultsDone: done.length,
        faultsInFlight: [...faultsInFlight],
      }),
    PROGRESS_EVERY_MS,
  )
  try {
    // The load ends in time, also where the last faults take longer.
    const stopped = sleep(plan.durationMs).then(() => partners.stop())
    stopped.catch(() => {})
    const leftOut = await strike({ plan, faults, faultContext, startedAt, done, faultsInFlight })
    phase = 'healing'
    await reviveAll(faultContext)
    const healedAt = monotonicMs()
    await stopped
    phase = 'quiet'
    await sleep(Math.max(0, healedAt + plan.holdMs + QUIET_MS - monotonicMs()))
    phase = 'every key once more'
    const open = await partners.sweep()
    phase = 'every event at its readers and receivers'
    await events?.settle()
    return {
      commit,
      startedOn,
      startedAt,
      healedAt,
      endedAt: monotonicMs(),
      faults: done,
      faultsLeftOut: leftOut,
      limiterOutages: watch.stop(),
      crashes,
      open,
    }
  } finally {
    clearInterval(progress)
    watch.stop()
  }
}

interface Strike {
  plan: RunPlan
  faults: readonly PlannedFault[]
  faultContext: FaultContext
  startedAt: number
  done: FaultDone[]
  faultsInFlight: Set<string>
}

/** One that could not be made, on a machine that has other things to do, must not end a long run; a server that is down must. */
function notMade(error: unknown): Hit {
  if (error instanceof ServerDownError) throw new VoidRun(`a server is down: ${error.message}`)
  if (error instanceof VoidRun) throw error
  return {
    hit: false,
    detail: `could not be made: ${errorMessage(error)}`,
  }
}

/** Each fault at its time, or when its place is free. Returns how many did not get their turn. */
async function strike({
  plan,
  faults,
  faultContext,
  startedAt,
  done,
  faultsInFlight,
}: Strike): Promise<number> {
  const places = new Places()
  const endAt = startedAt + plan.durationMs
  const struck = new Set<FaultKind>()
  let leftOut = 0
  const all = faults.map(async (fault) => {
    await sleep(Math.max(0, startedAt + fault.atMs - monotonicMs()))
    await places.hold(placesOf(fault, plan.nodes), async () => {
      const beganAt = monotonicMs()
      // What has not struck at all does so even late: without it the run is void.
      if (beganAt > endAt && struck.has(fault.kind)) {
        leftOut++
        return
      }
      struck.add(fault.kind)
      const name = `${fault.kind} ${fault.n}`
      faultsInFlight.add(name)
      await strikeUntilHit(fault, faultContext, done)
      faultsInFlight.delete(name)
      // What took longer than planned does not take the rest from its place.
      if (monotonicMs() < endAt) await sleep(restMs(fault.kind))
    })
  })
  await Promise.all([...all, sleep(plan.durationMs)])
  return leftOut
}

const TRIES = 3

/** A kind that never hit anything makes the run void, so that it has more than one try as long as it has not. */
async function strikeUntilHit(
  fault: PlannedFault,
  faultContext: FaultContext,
  done: FaultDone[],
): Promise<void> {
  const { n, kind, node } = fault
  for (let tries = 0; tries < TRIES; tries++) {
    const beganAt = monotonicMs()
    const hit = await inject(fault, faultContext).catch(notMade)
    done.push({ n, kind, node, beganAt, endedAt: monotonicMs(), ...hit })
    if (done.some((one) => one.kind === kind && one.hit)) return
  }
}

/** What the nodes say of themselves in the end: searched for secrets. */
async function keepWords(installation: Installation, directory: string): Promise<void> {
  for (const { n, service } of installation.nodes) {
    const pages = ['/metrics', '/health', '/.oncekey/metrics'].map(async (path) => {
      const response = await fetch(`${service.url}${path}`, { signal: AbortSignal.timeout(10_000) })
      return await response.text()
    })
    writeFileSync(join(directory, `pages-${n}.txt`), (await Promise.all(pages)).join('\n'))
  }
}

function commitOf(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return 'unknown'
  }
}
