import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Hit } from './fault-context.ts'
import { type FromPartner, fromPartner, type ToPartner } from './messages.ts'
import type { RunPlan } from './run-plan.ts'
import { VoidRun } from './void-run.ts'

const PROGRAM = fileURLToPath(new URL('./partner-process.ts', import.meta.url))

export interface Tally {
  sent: number
  ended: number
  lost: number
}

type Event = Omit<Extract<ToPartner, { do: 'event' }>, 'do' | 'n'>

/** The partner processes of a run, seen from the one that started them. */
export class Partners {
  readonly files: string[] = []
  readonly #children: ChildProcess[] = []
  readonly #tallies: Tally[] = []
  readonly #waiting = new Map<string, (message: FromPartner) => void>()
  readonly #failed: Promise<never>
  #fail: (error: Error) => void = () => {}
  #n = 0
  #ending = false

  private constructor() {
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.#failed.catch(() => {})
  }

  static async start(plan: RunPlan, urls: readonly string[], directory: string): Promise<Partners> {
    const partners = new Partners()
    for (let index = 0; index < plan.partners; index++) {
      const file = join(directory, `partner-${index}.jsonl`)
      partners.files.push(file)
      const child = fork(PROGRAM, [], {
        execArgv: ['--import', 'tsx'],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      partners.#children.push(child)
      child.on('message', (raw) => partners.#heard(index, fromPartner.parse(raw)))
      child.once('exit', (code, signal) => {
        if (!partners.#ending) partners.#fail(new Error(`a partner ended with ${code ?? signal}`))
      })
      const ready = partners.#response(`${index} ready`)
      child.send({ do: 'start', plan, index, urls: [...urls], file } satisfies ToPartner)
      await ready
    }
    return partners
  }

  /** One partner after the other is asked. */
  async event(event: Event): Promise<Hit> {
    if (this.#ending) throw new VoidRun('the partners have ended')
    const n = this.#n++
    const done = this.#response(`done ${n}`)
    // What cannot be sent is told by the end of the child.
    this.#children[n % this.#children.length]?.send(
      { do: 'event', n, ...event } satisfies ToPartner,
      () => {},
    )
    const message = await done
    return message.said === 'done' ? { hit: message.hit, detail: message.detail } : { hit: false, detail: '' }
  }

  /** How many keys have no end. */
  stop(): Promise<number> {
    return this.#all('stop', 'stopped')
  }

  sweep(): Promise<number> {
    return this.#all('sweep', 'swept')
  }

  get tally(): Tally {
    const sum = (of: (tally: Tally) => number) => this.#tallies.reduce((total, tally) => total + of(tally), 0)
    return { sent: sum(({ sent }) => sent), ended: sum(({ ended }) => ended), lost: sum(({ lost }) => lost) }
  }

  end(): void {
    this.#ending = true
    for (const child of this.#children) child.kill('SIGKILL')
  }

  async #all(order: 'stop' | 'sweep', word: 'stopped' | 'swept'): Promise<number> {
    const open = await Promise.all(
      this.#children.map(async (child, index) => {
        const response = this.#response(`${index} ${word}`)
        child.send({ do: order } satisfies ToPartner)
        const message = await response
        return 'open' in message ? message.open : 0
      }),
    )
    return open.reduce((sum, one) => sum + one, 0)
  }

  #response(name: string): Promise<FromPartner> {
    const response = new Promise<FromPartner>((resolve) => this.#waiting.set(name, resolve))
    return Promise.race([response, this.#failed])
  }

  #heard(index: number, message: FromPartner): void {
    if (message.said === 'tally') {
      const { sent, ended, lost } = message
      this.#tallies[index] = { sent, ended, lost }
      return
    }
    const name = message.said === 'done' ? `done ${message.n}` : `${index} ${message.said}`
    this.#waiting.get(name)?.(message)
    this.#waiting.delete(name)
  }
}
