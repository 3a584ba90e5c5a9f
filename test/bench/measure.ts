import type { Service } from '../support/service.ts'
import type { Contestant } from './contestants.ts'
import { load } from './load.ts'
import { type Path, statusOf } from './paths.ts'
import { forgetPeakRss, peakRssMb, treeCpuUs } from './processes.ts'
import type { Stage } from './stage.ts'
import { median, percentile } from './statistics.ts'

export interface Round {
  /** Answers per second. */
  rate: number
  p50Ms: number
  p99Ms: number
}

export interface Measured {
  path: string
  contestant: string
  rounds: Round[]
  rate: number
  p50Ms: number
  p99Ms: number
  /** CPU time per request, in µs, over all rounds; NaN where it cannot be known. */
  cpuUs: { server: number; redis: number; postgres: number }
  peakRssMb: number
  /** Answers with another status than the path has, by status. */
  unexpected: Record<string, number>
}

export interface RoundPlan {
  rounds: number
  roundMs: number
  warmUpAnswers: number
  connections: number
}

export interface Entrant {
  contestant: Contestant
  service: Service
}

/** More requests a second than any contestant answers, for the first round. */
const FIRST_GUESS_PER_S = 30_000
/** Where a contestant is so slow, or has one connection, that its answers do not come to so many. */
const MAX_WARM_UP_MS = 8_000
/** A round may be faster than those before. */
const SPARE = 1.5

/** All contestants in turn, round after round, so that what else the machine does hits them alike. */
export async function measure(
  path: Path,
  entrants: readonly Entrant[],
  plan: RoundPlan,
  stage: Stage,
  onRound: (done: number, of: number) => void,
): Promise<Measured[]> {
  const runs = []
  for (const entrant of entrants) {
    const run = await open(path, entrant, plan, stage)
    await run.warmUp()
    runs.push(run)
  }
  for (let round = 0; round < plan.rounds; round++) {
    onRound(round, plan.rounds)
    for (const run of runs) await run.round(plan.roundMs)
  }
  return runs.map((run) => run.measured())
}

async function open(path: Path, { contestant, service }: Entrant, plan: RoundPlan, stage: Stage) {
  const supplyOf = await path.open(service.port)
  const expected = statusOf(path, contestant)
  const connections = path.connections ?? plan.connections
  const unexpected: Record<string, number> = {}
  const pids = { server: service.pid, redis: stage.redis.pid, postgres: stage.postgres.pid }
  let rounds: Round[] = []
  let answers = 0
  let usedUs = { server: 0, redis: 0, postgres: 0 }
  let fastest = 0

  async function round(durationMs: number) {
    const guess = fastest === 0 ? FIRST_GUESS_PER_S : fastest * SPARE
    const next = supplyOf(Math.ceil((guess * durationMs) / 1_000) + connections)
    const before = cpuOf(pids)
    const result = await load({ port: service.port, connections, durationMs, next, expected })
    const after = cpuOf(pids)
    for (const [status, count] of result.unexpected) unexpected[status] = (unexpected[status] ?? 0) + count
    for (const part of ['server', 'redis', 'postgres'] as const) usedUs[part] += after[part] - before[part]
    answers += result.answers
    fastest = Math.max(fastest, result.rate)
    const { rate, latencies } = result
    rounds.push({ rate, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) })
  }

  return {
    round,
    async warmUp() {
      const untilMs = performance.now() + MAX_WARM_UP_MS
      while (answers < plan.warmUpAnswers && performance.now() < untilMs) await round(plan.roundMs)
      // What it measured is forgotten, but not a wrong answer.
      rounds = []
      answers = 0
      usedUs = { server: 0, redis: 0, postgres: 0 }
      forgetPeakRss(service.pid)
    },
    measured(): Measured {
      const of = (value: (round: Round) => number) => median(rounds.map(value))
      return {
        path: path.name,
        contestant: contestant.name,
        rounds,
        rate: of(({ rate }) => rate),
        p50Ms: of(({ p50Ms }) => p50Ms),
        p99Ms: of(({ p99Ms }) => p99Ms),
        cpuUs: {
          server: usedUs.server / answers,
          redis: usedUs.redis / answers,
          postgres: usedUs.postgres / answers,
        },
        peakRssMb: peakRssMb(service.pid),
        unexpected,
      }
    },
  }
}

function cpuOf(pids: { server: number; redis: number; postgres: number }) {
  return {
    server: treeCpuUs(pids.server),
    redis: treeCpuUs(pids.redis),
    postgres: treeCpuUs(pids.postgres),
  }
}
