import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { forgedHeaders } from './forgery.ts'
import { monotonicMs, type SendKind } from './history.ts'
import { bursts, type LimitTraffic, probes } from './limit-traffic.ts'
import {
  ASK_ON_EVERY_MS,
  FIRST_RETRY_MS,
  FORGETS_MS,
  LONGEST_RETRY_MS,
  MAX_LATE_MS,
  MAX_SWEPT,
  maxOpenOf,
  PATIENCE_MS,
  SWEEP_MS,
  SWEEPERS,
} from './partner-pace.ts'
import { HERD, type RunPlan } from './run-plan.ts'
import type { Sender, SendResult } from './sender.ts'
import { isEnd, isFinal, type SignedHeaders, signedHeaders } from './traffic.ts'
import { type WorkItem, WorkItems } from './work-items.ts'

/** One partner company: several clients at work, each key repeated until it has its response. */
export class Partner {
  readonly #plan: RunPlan
  readonly #sender: Sender
  readonly #index: number
  readonly #random: () => number
  readonly #items: WorkItems
  #open = 0
  #stopping = false
  #sweepUntilMs = 0
  readonly #work = new Set<Promise<unknown>>()

  constructor(plan: RunPlan, sender: Sender, index: number) {
    this.#plan = plan
    this.#sender = sender
    this.#index = index
    this.#random = seeded(`${plan.seed}/partner/${index}`)
    this.#items = new WorkItems(plan, `p${index}`, this.#random)
  }

  start(): void {
    this.#keep(this.#load())
    if (this.#plan.limit === null) return
    const traffic: LimitTraffic = {
      plan: this.#plan,
      items: this.#items,
      random: this.#random,
      isStopping: () => this.#stopping,
      ask: (item, kind, node) => this.#ask(item, kind, node),
    }
    this.#keep(this.#index === 0 ? bursts(traffic) : probes(traffic))
  }

  /** Nothing new from now on; resolves with how many keys have no end. */
  async stop(): Promise<number> {
    this.#stopping = true
    while (this.#work.size > 0) await Promise.all(this.#work)
    return this.#items.all.filter(({ endedAt, left }) => endedAt === undefined && !left).length
  }

  /** What has no end yet, and a share of the others, once more. */
  async sweep(): Promise<number> {
    const open = this.#items.all.filter(({ endedAt, left }) => endedAt === undefined && !left)
    const ended = this.#items.all.filter(({ endedAt }) => endedAt !== undefined)
    const step = Math.max(1, Math.ceil(ended.length / MAX_SWEPT))
    const queue = [...open, ...ended.filter((_, n) => n % step === 0)]
    this.#sweepUntilMs = monotonicMs() + SWEEP_MS
    const sweeper = async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        await this.#settle(item, 'sweep', this.#node())
      }
    }
    await Promise.all(Array.from({ length: SWEEPERS }, sweeper))
    return open.filter(({ endedAt }) => endedAt === undefined).length
  }

  /** New requests, first at this node; resolves when they are on their way. */
  async fire(node: number, count: number): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const item = this.#items.fresh('usual')
        await new Promise<void>((gone) => {
          this.#keep(this.#settle(item, 'ask', node, gone))
          // A copy at another node meets the lock, or takes over.
          if (n % 2 === 1) this.#keep(sleep(300).then(() => this.#settle(item, 'ask', node + 1)))
        })
      }),
    )
  }

  /** New requests at this node alone, which take seconds; resolves when they are on their way. */
  async crowd(node: number, count: number): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, () => {
        const item = this.#items.fresh('slow')
        return new Promise<void>((sent) => this.#keep(this.#settle(item, 'ask', node, sent)))
      }),
    )
  }

  async leave(): Promise<void> {
    const item = this.#items.fresh('usual')
    await this.#ask(item, 'leave', this.#node(), { leaveMs: 1 + this.#random() * 40 })
    this.#keep(this.#settle(item, 'ask', this.#node()))
  }

  /** Half a body, and the client does not come back: nothing may be there. */
  async half(): Promise<void> {
    const item = this.#items.fresh('usual')
    item.left = true
    await this.#ask(item, 'half', this.#node(), { leaveMs: 20 + this.#random() * 200 })
  }

  /** All at once, at all nodes; one of them is repeated until it has its response. */
  async copies(count: number): Promise<void> {
    const item = this.#items.fresh('usual', HERD)
    await Promise.all(Array.from({ length: count }, (_, n) => this.#ask(item, 'copy', n)))
    await this.#settle(item, 'ask', this.#node())
  }

  async neverEnds(): Promise<void> {
    const item = this.#items.fresh('never-ends')
    await Promise.all([0, 1].map((n) => this.#settle(item, 'ask', this.#node() + n)))
  }

  /** Keys that were to be forgotten: the same request, and another one under the same key. Returns how many. */
  async afterTtl(): Promise<number> {
    const deadline = monotonicMs() + 2 * this.#plan.ttlMs
    for (;;) {
      const before = monotonicMs() - this.#plan.ttlMs - 500
      const old = this.#items.all.filter(({ endedAt }) => endedAt !== undefined && endedAt < before)
      const chosen = old
        .slice(-30)
        .filter(() => this.#random() < 0.15)
        .slice(0, 4)
      if (chosen.length > 0 || monotonicMs() > deadline) {
        for (const [n, item] of chosen.entries()) {
          if (n % 2 === 0) await this.#settle(item, 'late', this.#node())
          else await this.#ask(this.#items.other(item), 'late', this.#node())
        }
        return chosen.length
      }
      await sleep(300)
    }
  }

  async #load(): Promise<void> {
    const everyMs = (1_000 * this.#plan.partners) / this.#plan.rate
    let dueMs = monotonicMs()
    while (!this.#stopping) {
      if (this.#open < maxOpenOf(this.#plan)) {
        this.#open++
        const first = this.#one().finally(() => this.#open--)
        this.#keep(first.then((item) => item && this.#again(item)))
      }
      // By the time of each key, and not by pauses between them: a timer that is late makes the load no smaller.
      dueMs = Math.max(dueMs + everyMs * 2 * this.#random(), monotonicMs() - MAX_LATE_MS)
      await sleep(Math.max(0, dueMs - monotonicMs()))
    }
  }

  /** What partners do: mostly the ordinary thing. Returns what has its response, and is asked for again. */
  async #one(): Promise<WorkItem | undefined> {
    const roll = this.#random()
    if (roll < 0.07) return void (await this.#forge())
    if (roll < 0.1) return void (await this.#ask(this.#items.unasked('invalid'), 'invalid', this.#node()))
    const item = this.#items.fresh('usual')
    if (roll < 0.18) {
      item.left = true
      return void (await this.#ask(item, 'once', this.#node()))
    }
    const from = this.#node()
    let ends: boolean[]
    if (roll < 0.3) {
      ends = await Promise.all([0, 1, 2].map((n) => this.#settle(item, 'ask', from + n)))
    } else if (roll < 0.36) {
      // Two requests under one key: one of them wins.
      await Promise.all([item, this.#items.other(item)].map((one, n) => this.#ask(one, 'ask', from + n)))
      item.left = true
      return undefined
    } else if (roll < 0.42 && this.#plan.mode !== 'proxy') {
      ends = await Promise.all([
        this.#settle(item, 'ask', from),
        this.#settle(this.#items.twin(item), 'ask', from + 1),
      ])
    } else {
      ends = [await this.#settle(item, 'ask', from)]
    }
    if (ends.includes(true)) return item
    if (this.#plan.ttlMs <= FORGETS_MS && this.#plan.mode === 'proxy') this.#keep(this.#askOn(item))
    return undefined
  }

  /** A key that has its response is no longer at work, so that its partner's pauses make no room scarce. */
  async #again(item: WorkItem): Promise<void> {
    if (this.#random() < 0.25) await this.#conflict(item)
    // Partners ask again for what they have; unknown outcomes are for the operator.
    for (let n = 0; n < 2 && this.#random() < 0.6 && !this.#stopping; n++) {
      await sleep(this.#random() * 2_000)
      await this.#settle(item, 'ask', this.#node())
    }
  }

  /** Other requests under a key whose response a node has just replayed, and may have in memory. */
  async #conflict(item: WorkItem): Promise<void> {
    const node = this.#node()
    await this.#ask(item, 'ask', node)
    const others = [this.#ask(this.#items.other(item), 'conflict', node)]
    if (this.#plan.mode !== 'proxy' && this.#random() < 0.5) {
      const twin = this.#items.twin(item)
      twin.left = true
      others.push(this.#ask(twin, 'once', node))
    }
    await Promise.all(others)
  }

  /** What became of it is not known, and must not be forgotten: it is asked for until its record would be gone. */
  async #askOn(item: WorkItem): Promise<void> {
    const untilMs = monotonicMs() + 1.5 * this.#plan.ttlMs
    while (monotonicMs() < untilMs && !this.#stopping) {
      await sleep(ASK_ON_EVERY_MS)
      const told = await this.#ask(item, 'late', this.#node())
      if (told !== undefined && isFinal(this.#plan.mode, told.status, told.code)) return
    }
  }

  /** Asks until there is nothing more to come; whether it is a response. */
  async #settle(item: WorkItem, kind: SendKind, firstNode: number, onSent?: () => void): Promise<boolean> {
    let pauseMs = FIRST_RETRY_MS
    const untilMs = Math.max(monotonicMs() + PATIENCE_MS, kind === 'sweep' ? this.#sweepUntilMs : 0)
    for (let node = firstNode; ; node++) {
      const told = await this.#ask(item, kind, node, {}, onSent)
      if (told !== undefined && isEnd(this.#plan.mode, told.status, told.code)) {
        item.endedAt ??= monotonicMs()
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
    { identity, key, wanted: asked }: WorkItem,
    kind: SendKind,
    node: number,
    more: { leaveMs?: number; signed?: SignedHeaders } = {},
    onSent?: () => void,
  ): Promise<SendResult | undefined> {
    const signed = more.signed ?? signedHeaders(identity, asked, key)
    const at = this.#near(node)
    return this.#sender.tell(
      { kind, client: identity.name, key, node: at, wanted: asked, signed, ...more },
      onSent,
    )
  }

  /** An attacker, who has no secret. */
  async #forge(): Promise<void> {
    const known = this.#items.all.at(-1 - Math.floor(this.#random() * 20))
    const item = known !== undefined && this.#random() < 0.5 ? known : this.#items.unasked('usual')
    const signed = forgedHeaders(this.#plan.mode, item.identity, item.wanted, item.key, this.#random())
    await this.#ask(item, 'forged', this.#node(), { signed })
  }

  /** As a load balancer has it: a node that has just refused a connection is passed over, unless all have. */
  #near(node: number): number {
    const { nodes } = this.#plan
    const order = Array.from({ length: nodes }, (_, n) => (node + n) % nodes)
    return order.find((n) => !this.#sender.hasRefused(n)) ?? node % nodes
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
