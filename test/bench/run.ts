import type { Service } from '../support/service.ts'
import type { BenchServers } from './bench-servers.ts'
import type { Contestant } from './contestants.ts'
import { garbageReader } from './garbage.ts'
import { load } from './load.ts'
import type { CpuTimes, Measured, MeasurePlan, Round } from './measure.ts'
import { type Path, type Supply, statusOf } from './paths.ts'
import { forgetPeakRss, machineCpuUs, peakRssMb, treeCpuUs } from './processes.ts'
import { median, percentile } from './statistics.ts'

interface RunOptions {
  path: Path
  contestant: Contestant
  service: Service
  plan: MeasurePlan
  servers: BenchServers
  supplyOf: (count: number) => Supply
}

/** Where a contestant is so slow, or has one connection, that its responses do not come to warmUpResponses. */
const MAX_WARM_UP_MS = 8_000
/** More requests a second than any contestant responds, for the first round. */
const FIRST_GUESS_PER_S = 30_000
/** A round may be faster than those before. */
const SPARE = 1.5
/** So many rounds at the end of the warm-up say what the highest rate is. */
const PEAK_ROUNDS = 3

interface MachineTimes extends CpuTimes {
  /** All of it. */
  machine: number
}

interface CountedRound extends Round {
  responses: number
  /** In all. */
  cpuUs: MachineTimes
  /** In bytes. */
  garbage: number
}

/** One contestant on one path. */
export class Run {
  readonly #options: RunOptions
  readonly #unexpected: Record<string, number> = {}
  readonly #readGarbage: () => number
  #rounds: CountedRound[] = []
  /** Responses per second, of the fastest round. */
  #fastest: number | undefined
  /** Of an open loop, once the highest rate is known. */
  #ratePerS: number | undefined

  constructor(options: RunOptions) {
    this.#options = options
    this.#readGarbage = garbageReader(() => options.service.log())
  }

  /** What it measures is forgotten, but not a response with a wrong status. */
  async warmUp(): Promise<void> {
    const { path, plan, service } = this.#options
    const untilMs = performance.now() + MAX_WARM_UP_MS
    do await this.round()
    while (this.#sum(({ responses }) => responses) < plan.warmUpResponses && performance.now() < untilMs)
    if (path.shareOfPeak !== undefined) {
      const peak = median(this.#rounds.slice(-PEAK_ROUNDS).map(({ rate }) => rate))
      this.#ratePerS = Math.max(peak * path.shareOfPeak, 1)
    }
    this.#rounds = []
    forgetPeakRss(service.pid)
  }

  async round(): Promise<void> {
    const { path, contestant, service, plan, supplyOf } = this.#options
    const connections = path.connections ?? plan.connections
    const guess = this.#fastest === undefined ? FIRST_GUESS_PER_S : this.#fastest * SPARE
    // Signed before the clock starts.
    const next = supplyOf(Math.ceil((guess * plan.roundMs) / 1_000) + connections)
    this.#readGarbage()
    const startedMs = performance.now()
    const before = this.#cpuSoFar()
    const { rate, responses, unexpected, latencies } = await load({
      port: service.port,
      connections,
      durationMs: plan.roundMs,
      next,
      expected: statusOf(path, contestant),
      ratePerS: this.#ratePerS,
    })
    const after = this.#cpuSoFar()
    const cpuUs = minus(after, before)
    const { server, redis, postgres, load: own, machine } = cpuUs
    const othersUs = machine - server - redis - postgres - own
    for (const [status, count] of unexpected) {
      this.#unexpected[status] = (this.#unexpected[status] ?? 0) + count
    }
    this.#fastest = Math.max(this.#fastest ?? 0, rate)
    this.#rounds.push({
      rate,
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
      serverUs: server / responses,
      otherCores: othersUs / 1_000 / (performance.now() - startedMs),
      responses,
      cpuUs,
      garbage: this.#readGarbage(),
    })
  }

  /** NaN where it cannot be known. */
  get lastOtherCores(): number {
    return this.#rounds.at(-1)?.otherCores ?? Number.NaN
  }

  forgetLast(): void {
    this.#rounds.pop()
  }

  measured(): Measured {
    const { name, what, kind } = this.#options.contestant
    const medianOf = (value: (round: Round) => number) => median(this.#rounds.map(value))
    const responses = this.#sum((round) => round.responses)
    const each = (value: (round: CountedRound) => number) => this.#sum(value) / responses
    return {
      path: this.#options.path.name,
      contestant: name,
      what,
      kind,
      rounds: this.#rounds.map(({ rate, p50Ms, p99Ms, serverUs, otherCores }) => ({
        rate,
        p50Ms,
        p99Ms,
        serverUs,
        otherCores,
      })),
      rate: medianOf(({ rate }) => rate),
      p50Ms: medianOf(({ p50Ms }) => p50Ms),
      p99Ms: medianOf(({ p99Ms }) => p99Ms),
      cpuUs: {
        server: each(({ cpuUs }) => cpuUs.server),
        redis: each(({ cpuUs }) => cpuUs.redis),
        postgres: each(({ cpuUs }) => cpuUs.postgres),
        load: each(({ cpuUs }) => cpuUs.load),
      },
      garbageKb: each(({ garbage }) => garbage) / 1_024,
      responses,
      peakRssMb: peakRssMb(this.#options.service.pid),
      unexpected: this.#unexpected,
    }
  }

  #sum(value: (round: CountedRound) => number): number {
    return this.#rounds.reduce((sum, round) => sum + value(round), 0)
  }

  #cpuSoFar(): MachineTimes {
    const { service, servers } = this.#options
    const { user, system } = process.cpuUsage()
    return {
      server: treeCpuUs(service.pid),
      redis: treeCpuUs(servers.redis.pid),
      postgres: treeCpuUs(servers.postgres.pid),
      load: user + system,
      machine: machineCpuUs(),
    }
  }
}

function minus(after: MachineTimes, before: MachineTimes): MachineTimes {
  return {
    server: after.server - before.server,
    redis: after.redis - before.redis,
    postgres: after.postgres - before.postgres,
    load: after.load - before.load,
    machine: after.machine - before.machine,
  }
}
