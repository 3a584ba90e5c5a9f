import type { Service } from '../support/service.ts'
import type { Contestant } from './contestants.ts'
import type { Path } from './paths.ts'
import { Run } from './run.ts'
import type { Stage } from './stage.ts'

/** Of one contestant on one path. */
export interface Measured {
  path: string
  contestant: string
  rounds: Round[]
  /** Medians over the rounds. */
  rate: number
  p50Ms: number
  p99Ms: number
  /** CPU time for each request, in µs, over all rounds; NaN where it cannot be known. */
  cpuUs: CpuTimes
  /** Of all rounds. */
  answers: number
  peakRssMb: number
  /** Answers with another status than the path has, by status. */
  unexpected: Record<string, number>
}

export interface Round {
  /** Answers per second. */
  rate: number
  p50Ms: number
  p99Ms: number
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
  /** Before the rounds a contestant has answered so many, which is when its code is compiled. */
  warmUpAnswers: number
  connections: number
  /** There before, on a path of many keys. */
  keys: number
}

export interface Entrant {
  contestant: Contestant
  service: Service
}

/** All contestants in turn, round after round, so that what else the machine does hits them alike. */
export async function measure(
  path: Path,
  entrants: readonly Entrant[],
  plan: MeasurePlan,
  stage: Stage,
  onRound: (done: number) => void,
): Promise<Measured[]> {
  const runs: Run[] = []
  for (const entrant of entrants) {
    const supplyOf = await path.open(entrant.service.port, plan.keys)
    const run = new Run({ path, ...entrant, plan, stage, supplyOf })
    await run.warmUp()
    runs.push(run)
  }
  for (let round = 0; round < plan.rounds; round++) {
    onRound(round)
    for (const run of runs) await run.round()
  }
  return runs.map((run) => run.measured())
}
