import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultKind } from './fault-kinds.ts'
import type { Hands, Hit } from './hands.ts'
import { monotonicMs } from './history.ts'
import { inject, placesOf } from './inject.ts'
import { LimiterWatch } from './limiter-watch.ts'
import { reviveAll } from './node-faults.ts'
import type { FaultDone, Outcome } from './outcome.ts'
import { Partners, type Tally } from './partners.ts'
import { Places } from './places.ts'
import { readRows } from './read-truth.ts'
import type { RunPlan } from './run-plan.ts'
import type { PlannedFault } from './schedule.ts'
import { openStage, type Stage } from './stage.ts'

export interface RunOptions {
  plan: RunPlan
  faults: readonly PlannedFault[]
  /** Gets everything that the checker needs. */
  directory: string
  /** Of the product, see plant.ts. */
  program: string
  onProgress?: (progress: Progress) => void
}

export interface Progress {
  phase: string
  elapsedMs: number
  tally: Tally
  faultsDone: number
  underWay: readonly string[]
}

/** Beyond lease and hold, for a machine that has other things to do. */
const QUIET_MS = 1_000
const PROGRESS_EVERY_MS = 500

/** Load, faults, healing, quiet, and what is left: all of it into files. What it means is for check.ts to say. */
export async function runChaos(options: RunOptions): Promise<void> {
  const { plan, directory, faults, program } = options
  mkdirSync(directory, { recursive: true })
  const write = (name: string, value: unknown) =>
    writeFileSync(join(directory, name), `${JSON.stringify(value)}\n`)
  write('plan.json', plan)
  write('schedule.json', faults)
  const stage = await openStage({ plan, directory, program })
  let partners: Partners | undefined
  try {
    const urls = stage.nodes.map(({ service }) => service.url)
    partners = await Partners.start(plan, urls, directory)
    const outcome = await drive(options, stage, partners)
    await keepWords(stage, directory)
    for (const { service } of stage.nodes) await service.stop()
    for (const { n, service } of stage.nodes) writeFileSync(join(directory, `said-${n}.txt`), service.log())
    write(
      'rows.json',
      stage.postgres === undefined || plan.mode === 'proxy' ? NO_ROWS : await readRows(stage.postgres.url),
    )
    write('outcome.json', outcome)
  } finally {
    partners?.end()
    await stage.close()
  }
}

const NO_ROWS = { orders: [], payments: [], audit: [], auditFault: '' }

async function drive(
  { plan, faults, onProgress }: RunOptions,
  stage: Stage,
  partners: Partners,
): Promise<Outcome> {
  const crashes: string[] = []
  const hands: Hands = {
    stage,
    event: (event, { node = 0, count }) => partners.event({ event, node, count }),
    onCrash: (node, ending) => crashes.push(`node ${node} ended with ${ending}`),
  }
  const watch = new LimiterWatch(stage.nodes.map(({ logFile }) => logFile))
  const commit = commitOf()
  const startedOn = new Date().toISOString()
  const startedAt = monotonicMs()
  const done: FaultDone[] = []
  const underWay = new Set<string>()
  let phase = 'load and faults'
  const progress = setInterval(
    () =>
      onProgress?.({
        ...{ phase, elapsedMs: monotonicMs() - startedAt, tally: partners.tally },
        ...{ faultsDone: done.length, underWay: [...underWay] },
      }),
    PROGRESS_EVERY_MS,
  )
  try {
    // The load ends in time, also where the last faults take longer.
    const stopped = sleep(plan.durationMs).then(() => partners.stop())
    stopped.catch(() => {})
    const leftOut = await strike({ plan, faults, hands, startedAt, done, underWay })
    phase = 'healing'
    await reviveAll(hands)
    const healedAt = monotonicMs()
    await stopped
    phase = 'quiet'
    await sleep(Math.max(0, healedAt + plan.holdMs + QUIET_MS - monotonicMs()))
    phase = 'every key once more'
    const open = await partners.sweep()
    return {
      ...{ commit, startedOn, startedAt, healedAt, endedAt: monotonicMs(), faults: done },
      ...{ faultsLeftOut: leftOut, limiterOutages: watch.stop(), crashes, open },
    }
  } finally {
    clearInterval(progress)
    watch.stop()
  }
}

interface Strike {
  plan: RunPlan
  faults: readonly PlannedFault[]
  hands: Hands
  startedAt: number
  done: FaultDone[]
  underWay: Set<string>
}

/** One that could not be made, on a machine that has other things to do, must not end a long run. */
function notMade(error: unknown): Hit {
  return {
    hit: false,
    detail: `could not be made: ${error instanceof Error ? error.message : String(error)}`,
  }
}

/** Each fault at its time, or when its place is free. Answers with how many did not get their turn. */
async function strike({ plan, faults, hands, startedAt, done, underWay }: Strike): Promise<number> {
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
      underWay.add(name)
      const hit = await inject(fault, hands).catch(notMade)
      underWay.delete(name)
      done.push({ n: fault.n, kind: fault.kind, node: fault.node, beganAt, endedAt: monotonicMs(), ...hit })
    })
  })
  await Promise.all([...all, sleep(plan.durationMs)])
  return leftOut
}

/** What the nodes say of themselves in the end: searched for secrets. */
async function keepWords(stage: Stage, directory: string): Promise<void> {
  for (const { n, service } of stage.nodes) {
    const pages = ['/metrics', '/health', '/.oncekey/metrics'].map(async (path) => {
      const answer = await fetch(`${service.url}${path}`, { signal: AbortSignal.timeout(10_000) })
      return await answer.text()
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
