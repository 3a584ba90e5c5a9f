import { type Actor, actor, type VirtualTime } from './virtual-time.ts'

/** What may become of one call to the outside. The first is no fault. */
export const FAULTS = [
  'none',
  /** It is refused: nothing happened, and the caller knows it. */
  'refused',
  /** It is lost on the way: nothing happened, and the caller cannot know. */
  'lost',
  /** It happened, and the reply is lost. */
  'reply lost',
  /** It never gets a response, and nothing happened. */
  'hang',
  /** It gets no response in time, and happens after that. */
  'late',
  /** It takes most of the time that it has. */
  'slow',
  /** The node dies before it happened. */
  'crash before',
  /** The node dies after it happened. */
  'crash after',
  /** The node dies at once, and it happens a good while later. */
  'crash, then late',
  /** The node is stopped for longer than its lease, while it happens. */
  'stall',
  /** The keys are lost before it happens. */
  'flush before',
  /** The keys are lost after it happened. */
  'flush after',
] as const
export type Fault = (typeof FAULTS)[number]

/** Chooses what becomes of the nth call of a run, from 0. */
export type Plan = (n: number, name: string) => Fault

export interface NetworkOptions {
  time: VirtualTime
  plan: Plan
  /** The keys are lost. */
  flush: () => void
  /** Dies; what was in flight on it is cut. */
  crash: (node: Actor) => void
  /** How long a stalled node stands still. */
  stallMs: number
  trace: ((line: string) => void) | undefined
}

export interface CallOptions<T> {
  name: string
  /** One atomic step, done when this returns. */
  act: () => Promise<T>
  /** What the caller gets instead of a reply. 'none': nothing happened; otherwise it may have. */
  failed: (effect: 'none' | 'lost' | 'deadline') => T
  /** The caller waits for so long. */
  deadlineMs: number
  /** What is late happens within so long after the deadline. */
  lateMs: number
}

/** What the nodes call is at the other end of a network: here is where every call may fail. */
export class Network {
  readonly #options: NetworkOptions
  readonly #actor = actor('network')
  calls = 0
  /** How often each fault struck. */
  readonly struck = new Map<Fault, number>()
  /** From then on nothing is on its way any more. */
  quietAtMs = 0

  constructor(options: NetworkOptions) {
    this.#options = options
  }

  call<T>(options: CallOptions<T>): Promise<T> {
    const { time, plan, trace, stallMs, flush, crash } = this.#options
    const caller = time.current
    const n = this.calls++
    const fault = plan(n, options.name)
    if (fault !== 'none') this.struck.set(fault, (this.struck.get(fault) ?? 0) + 1)
    trace?.(`${caller.name} #${n} ${options.name}${fault === 'none' ? '' : ` !! ${fault}`}`)
    const [upMs, downMs, chance] = [time.random() * 5, time.random() * 5, time.random()]
    const { deadlineMs, lateMs, failed } = options

    return new Promise<T>((resolve, reject) => {
      const tell = (inMs: number, what: () => T) => {
        const give = () => {
          try {
            resolve(what())
          } catch (error) {
            reject(error)
          }
        }
        this.#after(caller, inMs, give)
      }
      const happens = (inMs: number, then: (result: T) => void = () => {}) => {
        this.#after(this.#actor, inMs, () => {
          // What the data of a call is to blame for is told like any other response.
          options.act().then(
            (result) => {
              trace?.(`  #${n} ${options.name} happens: ${brief(result)}`)
              then(result)
            },
            (error: unknown) => {
              this.#after(caller, downMs, () => reject(error))
            },
          )
        })
      }
      const answered = (result: T) => tell(downMs, () => result)
      const die = () => crash(caller)
      switch (fault) {
        case 'none':
          return happens(upMs, answered)
        case 'refused':
          return tell(upMs, () => failed('none'))
        case 'lost':
          return tell(upMs + downMs, () => failed('lost'))
        case 'reply lost':
          return happens(upMs, () => tell(downMs, () => failed('lost')))
        case 'hang':
          return tell(deadlineMs, () => failed('deadline'))
        case 'late':
          happens(deadlineMs + chance * lateMs)
          return tell(deadlineMs, () => failed('deadline'))
        case 'slow':
          return happens(deadlineMs * 0.9 * chance, (result) =>
            tell(deadlineMs * 0.9 * (1 - chance), () => result),
          )
        case 'crash before':
          return void this.#after(this.#actor, upMs, die)
        case 'crash after':
          return happens(upMs, die)
        case 'crash, then late':
          happens(upMs + chance * (deadlineMs + lateMs))
          return die()
        case 'stall':
          caller.stoppedUntilMs = time.nowMs + stallMs * (1 + chance)
          this.quietAtMs = Math.max(this.quietAtMs, caller.stoppedUntilMs)
          return happens(upMs, answered)
        case 'flush before':
          flush()
          return happens(upMs, answered)
        case 'flush after':
          return happens(upMs, (result) => {
            flush()
            answered(result)
          })
      }
    })
  }

  #after(of: Actor, ms: number, run: () => void): void {
    const { time } = this.#options
    this.quietAtMs = Math.max(this.quietAtMs, time.nowMs + ms)
    time.at(of, ms, run)
  }
}

function brief(result: unknown): string {
  if (typeof result !== 'object' || result === null) return String(result)
  return 'outcome' in result ? String(result.outcome) : 'done'
}
