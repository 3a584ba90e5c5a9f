/** A party that has timers and waits for replies: a node in one of its lives, a partner, the network. */
export interface Actor {
  readonly name: string
  /** How far its wall clock is off. */
  skewMs: number
  /** Stopped until then (as by SIGSTOP): what it should have done before is done then. */
  stoppedUntilMs: number
  /** Nothing of it goes on any more. */
  isDead: boolean
}

export function actor(name: string): Actor {
  return { name, skewMs: 0, stoppedUntilMs: 0, isDead: false }
}

/** What setTimeout gives while a run is in flight; has what code does with a timer. */
export class VirtualTimer {
  /** undefined: it has fired, or was cleared. */
  run: (() => void) | undefined
  readonly actor: Actor
  atMs: number
  /** Decides between what is due at the same time. */
  readonly lot: number

  constructor(of: Actor, atMs: number, lot: number, run: () => void) {
    this.actor = of
    this.atMs = atMs
    this.lot = lot
    this.run = run
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return false
  }
}

const EPOCH_MS = 1_800_000_000_000
const realImmediate = setImmediate

/**
 * A clock that stands still until everybody waits, and then jumps to the next thing that is due. One thing happens at
 * a time: it, and what follows from it without waiting, ends before the next begins. So the order of everything
 * depends on the random numbers alone.
 */
export class VirtualTime {
  readonly random: () => number
  nowMs = EPOCH_MS
  current: Actor
  steps = 0
  readonly #due = new Heap()

  constructor(random: () => number, first: Actor) {
    this.random = random
    this.current = first
  }

  get elapsedMs(): number {
    return this.nowMs - EPOCH_MS
  }

  at(of: Actor, delayMs: number, run: () => void): VirtualTimer {
    const timer = new VirtualTimer(of, this.nowMs + Math.max(0, delayMs), this.random(), run)
    this.#due.push(timer)
    return timer
  }

  /** Waits as the party that calls it. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.current, ms, resolve))
  }

  /** Lets time pass until `isDone`, or until nothing is due within `limitMs` from now: then false. */
  async pass(isDone: () => boolean, limitMs: number): Promise<boolean> {
    const untilMs = this.nowMs + limitMs
    await settled()
    for (;;) {
      if (isDone()) return true
      const next = this.#due.pop()
      if (next === undefined) {
        this.nowMs = untilMs
        return false
      }
      const { run } = next
      if (run === undefined || next.actor.isDead) continue
      if (next.actor.stoppedUntilMs > next.atMs) {
        next.atMs = next.actor.stoppedUntilMs
        this.#due.push(next)
        continue
      }
      if (next.atMs > untilMs) {
        this.#due.push(next)
        this.nowMs = untilMs
        return false
      }
      this.steps++
      this.nowMs = Math.max(this.nowMs, next.atMs)
      this.current = next.actor
      next.run = undefined
      run()
      await settled()
    }
  }
}

/** Resolves when nothing is left that goes on without waiting. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    realImmediate(resolve)
  })
}

class Heap {
  readonly #items: VirtualTimer[] = []

  push(timer: VirtualTimer): void {
    const items = this.#items
    let at = items.push(timer) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      if (!this.#isBefore(at, up)) return
      this.#swap(at, up)
      at = up
    }
  }

  pop(): VirtualTimer | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (last === undefined || first === undefined || items.length === 0) return first
    items[0] = last
    let at = 0
    for (;;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#isBefore(child, least)) least = child
      if (least === at) return first
      this.#swap(at, least)
      at = least
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [a, b] = [this.#items[one], this.#items[other]]
    if (a === undefined || b === undefined) return false
    return a.atMs === b.atMs ? a.lot < b.lot : a.atMs < b.atMs
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#items[one], this.#items[other]]
    if (a === undefined || b === undefined) return
    this.#items[one] = b
    this.#items[other] = a
  }
}
