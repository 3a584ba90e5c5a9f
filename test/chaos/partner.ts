import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../../src/simulator/seeded.ts'
import { type Errand, Errands } from './errands.ts'
import { forgedHeaders } from './forgery.ts'
import { monotonicMs, type SendKind } from './history.ts'
import { GREEDY, HERD, PROBE, type RunPlan } from './run-plan.ts'
import type { Teller, Told } from './teller.ts'
import { isEnd, isFinal, type SignedHeaders, signedHeaders } from './traffic.ts'

/** Keys at work at the same time: beyond it the load waits, since a service that stands still must not be buried. */
const MAX_OPEN = 12
const MAX_SWEPT = 400
const SWEEPERS = 8
const FIRST_RETRY_MS = 150
const LONGEST_RETRY_MS = 3_000
/** For one key at a time; what has no end by then is asked for again when all is well. */
const PATIENCE_MS = 15_000
/** Seldom where there is little else, so that they are not most of the load. */
const lookupsEveryMs = (rate: number) => Math.max(10_000, 60_000 / rate)

/** One partner company: several clients at work, each key repeated until it has its answer. */
export class Partner {
  readonly #plan: RunPlan
  readonly #teller: Teller
  readonly #index: number
  readonly #random: () => number
  readonly #errands: Errands
  #open = 0
  #stopping = false
  readonly #work = new Set<Promise<unknown>>()

  constructor(plan: RunPlan, teller: Teller, index: number) {
    this.#plan = plan
    this.#teller = teller
    this.#index = index
    this.#random = seeded(`${plan.seed}/partner/${index}`)
    this.#errands = new Errands(plan, `p${index}`, this.#random)
  }

  start(): void {
    this.#keep(this.#load())
    if (this.#plan.limit !== null) this.#keep(this.#index === 0 ? this.#bursts() : this.#probes())
  }

  /** Nothing new from now on; resolves with how many keys have no end. */
  async stop(): Promise<number> {
    this.#stopping = true
    while (this.#work.size > 0) await Promise.all(this.#work)
    return this.#errands.all.filter(({ endedAt, left }) => endedAt === undefined && !left).length
  }

  /** What has no end yet, and a share of the others, once more. */
  async sweep(): Promise<number> {
    const open = this.#errands.all.filter(({ endedAt, left }) => endedAt === undefined && !left)
    const ended = this.#errands.all.filter(({ endedAt }) => endedAt !== undefined)
    const step = Math.max(1, Math.ceil(ended.length / MAX_SWEPT))
    const queue = [...open, ...ended.filter((_, n) => n % step === 0)]
    const sweeper = async () => {
      for (let errand = queue.shift(); errand !== undefined; errand = queue.shift()) {
        await this.#settle(errand, 'sweep', this.#node())
      }
    }
    await Promise.all(Array.from({ length: SWEEPERS }, sweeper))
    return open.filter(({ endedAt }) => endedAt === undefined).length
  }

  /** New requests, first at this node; resolves when they are on their way. */
  async fire(node: number, count: number): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const errand = this.#errands.fresh('usual')
        await new Promise<void>((gone) => {
          this.#keep(this.#settle(errand, 'ask', node, gone))
          // A copy at another node meets the lock, or takes over.
          if (n % 2 === 1) this.#keep(sleep(300).then(() => this.#settle(errand, 'ask', node + 1)))
        })
      }),
    )
  }

  async leave(): Promise<void> {
    const errand = this.#errands.fresh('usual')
    await this.#ask(errand, 'leave', this.#node(), { leaveMs: 1 + this.#random() * 40 })
    this.#keep(this.#settle(errand, 'ask', this.#node()))
  }

  /** Half a body, and nobody comes back: nothing may be there. */
  async half(): Promise<void> {
    const errand = this.#errands.fresh('usual')
    errand.left = true
    await this.#ask(errand, 'half', this.#node(), { leaveMs: 20 + this.#random() * 200 })
  }

  /** All at once, at all nodes; one of them is repeated until it has its answer. */
  async copies(count: number): Promise<void> {
    const errand = this.#errands.fresh('usual', HERD)
    await Promise.all(Array.from({ length: count }, (_, n) => this.#ask(errand, 'copy', n)))
    await this.#settle(errand, 'ask', this.#node())
  }

  async neverEnds(): Promise<void> {
    const errand = this.#errands.fresh('never-ends')
    await Promise.all([0, 1].map((n) => this.#settle(errand, 'ask', this.#node() + n)))
  }

  /** Keys that were to be forgotten: the same request, and another one under the same key. Answers with how many. */
  async afterTtl(): Promise<number> {
    const deadline = monotonicMs() + 2 * this.#plan.ttlMs
    for (;;) {
      const before = monotonicMs() - this.#plan.ttlMs - 500
      const old = this.#errands.all.filter(({ endedAt }) => endedAt !== undefined && endedAt < before)
      const chosen = old
        .slice(-30)
        .filter(() => this.#random() < 0.15)
        .slice(0, 4)
      if (chosen.length > 0 || monotonicMs() > deadline) {
        for (const [n, errand] of chosen.entries()) {
          if (n % 2 === 0) await this.#settle(errand, 'late', this.#node())
          else await this.#ask(this.#errands.other(errand), 'late', this.#node())
        }
        return chosen.length
      }
      await sleep(300)
    }
  }

  async #load(): Promise<void> {
    const everyMs = (1_000 * this.#plan.partners) / this.#plan.rate
    while (!this.#stopping) {
      if (this.#open < MAX_OPEN) {
        this.#open++
        this.#keep(this.#one().finally(() => this.#open--))
      }
      await sleep(everyMs * 2 * this.#random())
    }
  }

  /** What partners do: mostly the ordinary thing. */
  async #one(): Promise<void> {
    const roll = this.#random()
    if (roll < 0.07) return await this.#forge()
    if (roll < 0.1) return void (await this.#ask(this.#errands.unasked('invalid'), 'invalid', this.#node()))
    const errand = this.#errands.fresh('usual')
    if (roll < 0.18) {
      errand.left = true
      return void (await this.#ask(errand, 'once', this.#node()))
    }
    const from = this.#node()
    let ends: boolean[]
    if (roll < 0.3) {
      ends = await Promise.all([0, 1, 2].map((n) => this.#settle(errand, 'ask', from + n)))
    } else if (roll < 0.36) {
      // Two requests under one key: one of them wins.
      const other = this.#errands.other(errand)
      await Promise.all([this.#ask(errand, 'ask', from), this.#ask(other, 'ask', from + 1)])
      errand.left = true
      return
    } else if (roll < 0.42 && this.#plan.mode !== 'proxy') {
      ends = await Promise.all([
        this.#settle(errand, 'ask', from),
        this.#settle(this.#errands.twin(errand), 'ask', from + 1),
      ])
    } else {
      ends = [await this.#settle(errand, 'ask', from)]
    }
    if (!ends.includes(true)) return
    // Partners ask again for what they have; what nobody knows is for the operator.
    for (let n = 0; n < 2 && this.#random() < 0.6 && !this.#stopping; n++) {
      await sleep(this.#random() * 2_000)
      await this.#settle(errand, 'ask', this.#node())
    }
  }

  /** Asks until there is nothing more to come; whether it is an answer. */
  async #settle(errand: Errand, kind: SendKind, firstNode: number, onSent?: () => void): Promise<boolean> {
    let pauseMs = FIRST_RETRY_MS
    const untilMs = monotonicMs() + PATIENCE_MS
    for (let node = firstNode; ; node++) {
      const told = await this.#ask(errand, kind, node, {}, onSent)
      if (told !== undefined && isEnd(this.#plan.mode, told.status, told.code)) {
        errand.endedAt ??= monotonicMs()
        return isFinal(this.#plan.mode, told.status, told.code)
      }
      // Another request stands under this key.
      if (told?.code === 'idempotency_key_reused') return false
      if (monotonicMs() > untilMs) return false
      // Pressing before Retry-After is over only adds to what fails.
      const askedMs = Math.min(1_500, (told?.retryAfter ?? 0) * 1_000)
      await sleep(Math.max(askedMs * (0.7 + this.#random() / 2), pauseMs * (0.5 + this.#random())))
      pauseMs = Math.min(LONGEST_RETRY_MS, pauseMs * 2)
    }
  }

  #ask(
    { identity, key, wanted: asked }: Errand,
    kind: SendKind,
    node: number,
    more: { leaveMs?: number; signed?: SignedHeaders } = {},
    onSent?: () => void,
  ): Promise<Told | undefined> {
    const signed = more.signed ?? signedHeaders(identity, asked, key)
    const at = this.#near(node)
    return this.#teller.tell(
      { kind, client: identity.name, key, node: at, wanted: asked, signed, ...more },
      onSent,
    )
  }

  /** Somebody else, who has no secret. */
  async #forge(): Promise<void> {
    const known = this.#errands.all.at(-1 - Math.floor(this.#random() * 20))
    const errand = known !== undefined && this.#random() < 0.5 ? known : this.#errands.unasked('usual')
    const signed = forgedHeaders(errand.identity, errand.wanted, errand.key, this.#random())
    await this.#ask(errand, 'forged', this.#node(), { signed })
  }

  /** More than the limit, at once and everywhere. */
  async #bursts(): Promise<void> {
    const count = Math.ceil((this.#plan.limit?.quota ?? 0) * 1.4)
    const errand = this.#errands.lookups(GREEDY)
    while (!this.#stopping) {
      await sleep(lookupsEveryMs(this.#plan.rate) * (0.7 + this.#random() * 0.6))
      if (this.#stopping) return
      await Promise.all(Array.from({ length: count }, (_, n) => this.#ask(errand, 'burst', n)))
    }
  }

  /** A client that is never near its limit, and others who would use it up in its name. */
  async #probes(): Promise<void> {
    const windowMs = this.#plan.limit?.windowMs ?? 0
    const errand = this.#errands.lookups(PROBE)
    const forged = { ...errand, identity: { ...errand.identity, secret: 'another secret' } }
    while (!this.#stopping) {
      await sleep(windowMs * (1.2 + this.#random()))
      await Promise.all([0, 1, 2].map((n) => this.#ask(forged, 'forged', n)))
      await this.#ask(errand, 'probe', this.#node())
    }
  }

  /** As a load balancer has it: a node that has just refused a connection is passed over, unless all have. */
  #near(node: number): number {
    const { nodes } = this.#plan
    const order = Array.from({ length: nodes }, (_, n) => (node + n) % nodes)
    return order.find((n) => !this.#teller.hasRefused(n)) ?? node % nodes
  }

  #node(): number {
    return Math.floor(this.#random() * this.#plan.nodes)
  }

  #keep(work: Promise<unknown>): void {
    const kept = work.finally(() => this.#work.delete(kept))
    this.#work.add(kept)
    kept.catch((error: unknown) => {
      console.error(error)
      process.exit(1)
    })
  }
}
