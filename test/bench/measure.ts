import { setTimeout as sleep } from 'node:timers/promises'
import type { Service } from '../support/service.ts'
import type { BenchServers } from './bench-servers.ts'
import type { Contestant } from './contestants.ts'
import type { Path } from './paths.ts'
import { machineCpuUs } from './processes.ts'
import { Run } from './run.ts'

/** Of one contestant on one path. */
export interface Measured {
  path: string
  contestant: string
  what: string
  kind: Contestant['kind']
  rounds: Round[]
  /** Medians over the rounds. */
  rate: number
  p50Ms: number
  p99Ms: number
  /** CPU time for each request, in µs, over all rounds; NaN where it cannot be known. */
  cpuUs: CpuTimes
  /** What each request leaves to the garbage collector, in KiB. */
  garbageKb: number
  /** Of all rounds. */
  responses: number
  peakRssMb: number
  /** Responses with another status than the path has, by status. */
  unexpected: Record<string, number>
}

export interface Round {
  /** Responses per second. */
  rate: number
  p50Ms: number
  p99Ms: number
  /** CPU time of the contestant for each request, in µs. */
  serverUs: number
  /** Cores that processes have used which are not of this benchmark. */
  otherCores: number
}

export interface CpuTimes {
  server: number
  redis: number
  postgres: number
  /** Of the load itself: it must be cheaper than what it measures. */
  load: number
}

export interface MeasurePlan {
  rounds: number
  roundMs: number
  /** Before the rounds a contestant has responded so often, which is when its code is compiled. */
  warmUpResponses: number
  connections: number
  /** There before, on a path of many keys. */
  keys: number
  /** Rounds in which other processes used more cores than this are void, and run again. */
  maxOtherCores: number | undefined
}

export interface Entrant {
  contestant: Contestant
  service: Service
}

/** So many times the rounds that are wanted may be void: a machine that is never quiet would be measured for ever. */
const MAX_VOID = 3
const LOOK_MS = 200
const MAX_WAIT_MS = 60_000

/** Waits until the machine, on which nothing of this benchmark works now, uses no more cores than this; a minute at most. */
async function quiet(maxCores: number): Promise<void> {
  const untilMs = performance.now() + MAX_WAIT_MS
  while (maxCores !== Number.POSITIVE_INFINITY && performance.now() < untilMs) {
    const before = machineCpuUs()
    await sleep(LOOK_MS)
    if (machineCpuUs() - before <= maxCores * LOOK_MS * 1_000) return
  }
}

/** All contestants in turn, round after round, so that what else the machine does hits them alike. */
export async function measure(
  path: Path,
  entrants: readonly Entrant[],
  plan: MeasurePlan,
  servers: BenchServers,
  onRound: (done: number) => void,
): Promise<Measured[]> {
  const runs: Run[] = []
  for (const entrant of entrants) {
    const supplyOf = await path.open(entrant.service.port, plan.keys)
    const run = new Run({ path, ...entrant, plan, servers, supplyOf })
    await run.warmUp()
    runs.push(run)
  }
  const { maxOtherCores = Number.POSITIVE_INFINITY } = plan
  let voided = 0
  for (let round = 0; round < plan.rounds; ) {
    onRound(round)
    await quiet(maxOtherCores)
    for (const run of runs) await run.round()
    // A round is one of all contestants: what is compared is compared within it.
    const isVoid = runs.some((run) => run.lastOtherCores > maxOtherCores)
    if (isVoid && voided < MAX_VOID * plan.rounds) {
      voided++
      for (const run of runs) run.forgetLast()
    } else round++
  }
  if (voided > 0) process.stderr.write(`${path.name}: ${voided} rounds were void\n`)
  return runs.map((run) => run.measured())
}
