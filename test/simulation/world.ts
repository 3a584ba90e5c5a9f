import { settleMsOf } from '../../internal/payments/pay-once.ts'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { check } from './check.ts'
import { type Fault, Network } from './failpoints.ts'
import { type Attempt, isOver } from './history.ts'
import { ModelBackend } from './model-backend.ts'
import { ModelGateway } from './model-gateway.ts'
import { ModelKeys } from './model-keys.ts'
import { ModelOrders } from './model-orders.ts'
import { ModelPayments } from './model-payments.ts'
import { isOfService, LEASE_MS, node, type Request, type Served } from './node.ts'
import {
  directly,
  GATEWAY_TIMEOUT_MS,
  type Models,
  type NodeDependencies,
  over,
} from './node-dependencies.ts'
import type { PlannedRequest, Scenario } from './scenario.ts'
import { underVirtualTime } from './take-over-time.ts'
import { type Actor, actor, VirtualTime } from './virtual-time.ts'

/** A bug that is planted: in what the nodes share, or between a node and its network. */
export interface Defect {
  inside?: (parts: NodeDependencies) => NodeDependencies
  outside?: (parts: NodeDependencies) => NodeDependencies
}

export interface Run {
  violations: string[]
  attempts: readonly Attempt[]
  struck: ReadonlyMap<Fault, number>
  /** How many calls there were that could have failed. */
  failpoints: number
  steps: number
  /** Virtual. */
  elapsedMs: number
}

/** Short beside what happens in the sidecar, long beside a request. */
const TTL_MS = { forgetful: 60_000, sidecar: 3_600_000 }
/** Virtual time for all errands: far more than the sum of all deadlines. */
const ERRANDS_MS = 600_000
/** No request takes longer than this on a node that is not stopped: three calls of the keys, some of the rest. */
const REQUEST_MS = 30_000
/** After the last fault every key has its final response within a lease of a payment, a rest of the gateway and more. */
const RECOVERY_MS = 60_000
/** Without a retry the completer finds a charge: after at most a few of its pauses, which grow. */
const COMPLETION_MS = 1_200_000

interface Node {
  life: Actor
  lives: number
  serve: ((request: Request) => Promise<Served>) | undefined
}
/** Runs a scenario to its end and checks what must hold. The same scenario always runs the same way. */
export async function simulate(
  scenario: Scenario,
  { defect = {}, trace }: { defect?: Defect; trace?: (line: string) => void } = {},
): Promise<Run> {
  const time = new VirtualTime(seeded(`${scenario.seed}/time`), actor('world'))
  const { stackTraceLimit } = Error
  // Thousands of refusals, whose stacks are not read, would be a third of the work.
  if (trace === undefined) Error.stackTraceLimit = 0
  try {
    return await underVirtualTime(time, () => new World(scenario, time, defect, trace).run())
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

class World {
  readonly #scenario: Scenario
  readonly #time: VirtualTime
  readonly #trace: ((line: string) => void) | undefined
  readonly #models: Models
  readonly #network: Network
  readonly #parts: NodeDependencies
  readonly #nodes: Node[] = []
  readonly #attempts: Attempt[] = []
  readonly #violations: string[] = []
  /** Whom to tell that a connection is cut. */
  readonly #cut = new Map<Attempt, () => void>()
  #isHealed = false
  #failpoints = 0

  constructor(scenario: Scenario, time: VirtualTime, defect: Defect, trace?: (line: string) => void) {
    this.#scenario = scenario
    this.#time = time
    this.#trace = trace && ((line) => trace(`${time.elapsedMs.toFixed(1).padStart(9)} ${line}`))
    const now = () => time.nowMs
    const settleMs = settleMsOf(GATEWAY_TIMEOUT_MS)
    const keys = new ModelKeys(now)
    this.#models = {
      keys,
      orders:
        scenario.mode === 'orders in rows'
          ? new ModelOrders((...of) => keys.isTaken(...of))
          : new ModelOrders(),
      gateway: new ModelGateway(),
      payments: new ModelPayments({ settleMs, now }),
      backend: new ModelBackend(),
    }
    this.#network = new Network({
      time,
      trace: this.#trace,
      stallMs: LEASE_MS,
      plan: (n, name) => (this.#isHealed ? 'none' : scenario.plan(n, name)),
      flush: () => this.#models.keys.lose(),
      crash: (life) => this.#crash(life),
    })
    const ttlMs = this.#isForgetful() ? TTL_MS.forgetful : TTL_MS.sidecar
    const shared = directly(this.#models, ttlMs, now)
    const networked = over(this.#network, defect.inside?.(shared) ?? shared)
    this.#parts = defect.outside?.(networked) ?? networked
  }

  async run(): Promise<Run> {
    const { nodes, partners } = this.#scenario
    for (let n = 0; n < nodes; n++) this.#boot(n, 0)
    let busy = partners.length
    partners.forEach((requests, n) => {
      this.#as(`partner ${n + 1}`, async () => {
        for (const planned of requests) await this.#run(`partner ${n + 1}`, planned)
        busy--
      })
    })
    if (!(await this.#time.pass(() => busy === 0, ERRANDS_MS))) this.#fail('the partners are never done')
    await this.#heal()
    await this.#askAgain('after healing')
    if (this.#scenario.isNextDayChecked) {
      await this.#time.pass(() => false, TTL_MS.forgetful + 1)
      await this.#askAgain('the next day')
    }
    const { gateway, payments } = this.#models
    const isSettled = () => {
      const open = payments.rows.filter(({ settled }) => settled === undefined)
      return !gateway.charges.some(({ key }) => open.some(({ payment }) => payment.gatewayKey === key))
    }
    if (!(await this.#time.pass(isSettled, COMPLETION_MS))) this.#fail('a charge is never recorded')
    check(this.#scenario.mode, this.#models, this.#attempts, this.#network.struck.size > 0, (line) =>
      this.#fail(line),
    )
    return {
      violations: this.#violations,
      attempts: this.#attempts,
      struck: this.#network.struck,
      failpoints: this.#failpoints,
      steps: this.#time.steps,
      elapsedMs: this.#time.elapsedMs,
    }
  }

  /** From now on nothing fails. What is on its way arrives, what waits ends, and then no lock is left. */
  async #heal(): Promise<void> {
    this.#isHealed = true
    this.#failpoints = this.#network.calls
    this.#trace?.('-- healed')
    await this.#time.pass(() => false, Math.max(0, this.#network.quietAtMs - this.#time.nowMs))
    const isQuiet = () =>
      this.#attempts.every((one) => one.node === undefined || one.servedToMs !== undefined)
    if (!(await this.#time.pass(isQuiet, REQUEST_MS))) this.#fail('a request hangs on a node')
    await this.#time.pass(() => false, LEASE_MS + 1_000)
    for await (const { id, state, leaseMs = 0 } of this.#models.keys.records(0).list({})) {
      if (state === 'in_progress' && leaseMs > 0)
        this.#fail(`the lock on ${id.client}/${id.key} is not cleared`)
    }
  }

  /** Every request once more, until its response is final. */
  async #askAgain(when: string): Promise<void> {
    const asked = new Map(this.#attempts.map(({ request }) => [JSON.stringify(request), request]))
    let left = asked.size
    for (const request of asked.values()) {
      this.#as('checker', async () => {
        const node = this.#attempts.length
        await this.#run('checker', { ...UNTIL_ANSWERED, afterMs: 0, request, node })
        left--
      })
    }
    if (!(await this.#time.pass(() => left === 0, RECOVERY_MS))) {
      this.#fail(`${left} of ${asked.size} requests have no final response ${when}`)
    }
  }

  async #run(partner: string, planned: PlannedRequest): Promise<void> {
    await this.#time.sleep(planned.afterMs)
    for (let n = 0; n < planned.attempts; n++) {
      const attempt = await this.#send(partner, planned, planned.node + n)
      const { seen } = attempt
      if (seen !== undefined && isOver(seen)) return
      const backoffMs = planned.backoffMs * (0.5 + this.#time.random())
      await this.#time.sleep(Math.max(backoffMs, seen?.problem?.retryAfterMs ?? 0))
    }
  }

  /** Resolves when the partner has a response, its connection is cut, or its patience is over. */
  #send(partner: string, { request, patienceMs }: PlannedRequest, nth: number): Promise<Attempt> {
    const time = this.#time
    const me = time.current
    const attempt: Attempt = {
      n: this.#attempts.length,
      partner,
      request,
      sentMs: time.nowMs,
      node: undefined,
      servedFromMs: undefined,
      servedToMs: undefined,
      served: undefined,
      endedMs: undefined,
      seen: undefined,
    }
    this.#attempts.push(attempt)
    const to = this.#nodes[nth % this.#nodes.length]
    this.#trace?.(`${partner} sends ${attempt.n}: ${request.client}/${request.key.slice(-4)} ${request.body}`)
    return new Promise((resolve) => {
      const end = (seen: Served | undefined, why: string) => {
        if (attempt.endedMs !== undefined) return
        attempt.endedMs = time.nowMs
        attempt.seen = seen
        this.#trace?.(`${partner} has for ${attempt.n}: ${why}`)
        resolve(attempt)
      }
      const patience = time.at(me, patienceMs, () => end(undefined, 'no response in time'))
      this.#cut.set(attempt, () => {
        time.at(me, 1, () => end(undefined, 'a cut connection'))
      })
      if (to === undefined || to.life.isDead || to.serve === undefined) {
        time.at(me, 1, () => end(undefined, 'nobody there'))
        return
      }
      const { life, serve } = to
      time.at(life, time.random() * 5, () => {
        attempt.node = life
        attempt.servedFromMs = time.nowMs
        const answered = serve(request).then((served) => {
          attempt.served = served
          attempt.servedToMs = time.nowMs
          const code = served.problem?.code ?? (served.replayed ? 'replay' : '')
          this.#trace?.(`${life.name} responds to ${attempt.n}: ${served.status} ${code}`)
          return this.#network.call<void>({
            name: 'answer',
            act: async () => {
              patience.run = undefined
              time.at(me, 0, () => end(served, `${served.status} ${code}`))
            },
            failed: () => {},
            deadlineMs: 1_000,
            lateMs: 1_000,
          })
        })
        answered.catch((error: unknown) => this.#fail(`a request ended with ${String(error)}`))
      })
    })
  }

  #boot(n: number, lives: number): void {
    const life = actor(`node ${n + 1}${lives === 0 ? '' : `, life ${lives + 1}`}`)
    life.skewMs = this.#scenario.skewsMs[n] ?? 0
    const booted: Node = { life, lives, serve: undefined }
    this.#nodes[n] = booted
    this.#time.at(life, lives === 0 ? 0 : 100 + this.#time.random() * 2_000, () => {
      this.#trace?.(`${life.name} is up`)
      booted.serve = node({
        mode: this.#scenario.mode,
        parts: this.#parts,
        now: Date.now,
        completerEveryMs: this.#scenario.completerEveryMs,
        onDefect: (error) => this.#fail(`a defect: ${error instanceof Error ? error.stack : String(error)}`),
      })
    })
  }

  #crash(life: Actor): void {
    if (life.isDead) return
    const n = this.#nodes.findIndex((one) => one.life === life)
    life.isDead = true
    this.#trace?.(`${life.name} dies`)
    for (const attempt of this.#attempts) {
      if (attempt.node !== life || attempt.endedMs !== undefined) continue
      attempt.servedToMs ??= this.#time.nowMs
      this.#cut.get(attempt)?.()
    }
    for (const attempt of this.#attempts) {
      if (attempt.node === life) attempt.servedToMs ??= this.#time.nowMs
    }
    this.#boot(n, (this.#nodes[n]?.lives ?? 0) + 1)
  }

  #as(name: string, work: () => Promise<void>): void {
    this.#time.at(actor(name), 0, () => {
      work().catch((error: unknown) => this.#fail(`${name}: ${String(error)}`))
    })
  }

  #isForgetful(): boolean {
    return isOfService(this.#scenario.mode)
  }

  #fail(line: string): void {
    this.#trace?.(`** ${line}`)
    this.#violations.push(line)
  }
}

const UNTIL_ANSWERED = { attempts: 200, patienceMs: REQUEST_MS, backoffMs: 500 }
