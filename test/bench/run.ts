import type { Service } from '../support/service.ts'
import type { Contestant } from './contestants.ts'
import { load } from './load.ts'
import type { CpuTimes, Measured, MeasurePlan, Round } from './measure.ts'
import { type Path, type Supply, statusOf } from './paths.ts'
import { forgetPeakRss, peakRssMb, treeCpuUs } from './processes.ts'
import type { Stage } from './stage.ts'
import { median, percentile } from './statistics.ts'

interface RunOptions {
  path: Path
  contestant: Contestant
  service: Service
  plan: MeasurePlan
  stage: Stage
  supplyOf: (count: number) => Supply
}

/** Where a contestant is so slow, or has one connection, that its answers do not come to warmUpAnswers. */
const MAX_WARM_UP_MS = 8_000
/** More requests a second than any contestant answers, for the first round. */
const FIRST_GUESS_PER_S = 30_000
/** A round may be faster than those before. */
const SPARE = 1.5
/** So many rounds at the end of the warm-up say what the highest rate is. */
const PEAK_ROUNDS = 3

/** One contestant on one path. */
export class Run {
  readonly #options: RunOptions
  readonly #unexpected: Record<string, number> = {}
  #rounds: Round[] = []
  #answers = 0
  #cpuUs: CpuTimes = { server: 0, redis: 0, postgres: 0, load: 0 }
  /** Answers per second, of the fastest round. */
  #fastest: number | undefined
  /** Of an open loop, once the highest rate is known. */
  #ratePerS: number | undefined

  constructor(options: RunOptions) {
    this.#options = options
  }

  /** What it measures is forgotten, but not an answer with a wrong status. */
  async warmUp(): Promise<void> {
    const { path, plan, service } = this.#options
    const untilMs = performance.now() + MAX_WARM_UP_MS
    do await this.round()
    while (this.#answers < plan.warmUpAnswers && performance.now() < untilMs)
    if (path.shareOfPeak !== undefined) {
      const peak = median(this.#rounds.slice(-PEAK_ROUNDS).map(({ rate }) => rate))
      this.#ratePerS = Math.max(peak * path.shareOfPeak, 1)
    }
    this.#rounds = []
    this.#answers = 0
    this.#cpuUs = { server: 0, redis: 0, postgres: 0, load: 0 }
    forgetPeakRss(service.pid)
  }

  async round(): Promise<void> {
    const { path, contestant, service, plan, supplyOf } = this.#options
    const connections = path.connections ?? plan.connections
    const guess = this.#fastest === undefined ? FIRST_GUESS_PER_S : this.#fastest * SPARE
    // Signed before the clock starts.
    const next = supplyOf(Math.ceil((guess * plan.roundMs) / 1_000) + connections)
    const before = this.#cpuSoFar()
    const { rate, answers, unexpected, latencies } = await load({
      ...{ port: service.port, connections, durationMs: plan.roundMs, next },
      ...{ expected: statusOf(path, contestant), ratePerS: this.#ratePerS },
    })
    const after = this.#cpuSoFar()
    for (const part of ['server', 'redis', 'postgres', 'load'] as const) {
      this.#cpuUs[part] += after[part] - before[part]
    }
    for (const [status, count] of unexpected) {
      this.#unexpected[status] = (this.#unexpected[status] ?? 0) + count
    }
    this.#answers += answers
    this.#fastest = Math.max(this.#fastest ?? 0, rate)
    this.#rounds.push({ rate, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) })
  }

  measured(): Measured {
    const medianOf = (value: (round: Round) => number) => median(this.#rounds.map(value))
    const { server, redis, postgres, load: own } = this.#cpuUs
    const each = (us: number) => us / this.#answers
    return {
      path: this.#options.path.name,
      contestant: this.#options.contestant.name,
      rounds: this.#rounds,
      rate: medianOf(({ rate }) => rate),
      p50Ms: medianOf(({ p50Ms }) => p50Ms),
      p99Ms: medianOf(({ p99Ms }) => p99Ms),
      cpuUs: { server: each(server), redis: each(redis), postgres: each(postgres), load: each(own) },
      answers: this.#answers,
      peakRssMb: peakRssMb(this.#options.service.pid),
      unexpected: this.#unexpected,
    }
  }

  #cpuSoFar(): CpuTimes {
    const { service, stage } = this.#options
    const { user, system } = process.cpuUsage()
    return {
      server: treeCpuUs(service.pid),
      redis: treeCpuUs(stage.redis.pid),
      postgres: treeCpuUs(stage.postgres.pid),
      load: user + system,
    }
  }
}
