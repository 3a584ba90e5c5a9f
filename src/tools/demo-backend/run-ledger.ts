import { closeSync, openSync, writeSync } from 'node:fs'

/** The response of the first run of a key. */
export interface Outcome {
  status: number
  contentType: string
  body: Buffer
}

/** 'not kept': the response was too large. */
export type RunReport = Outcome | 'running' | 'not kept'

/** One line of the ledger file. */
export interface Entry {
  at: string
  key: string | null
  method: string
  path: string
  run: number
}

/** A response is a few hundred bytes; with this many keys of the largest size the backend takes 1.6 GB. */
const MAX_KEPT_BYTES = 16_384
/** Beyond it new keys are refused: a forgotten key would be reported as one that never ran. */
const MAX_KEYS = 100_000

/** The runs of each key and their response; optionally also as lines of a file. */
export class RunLedger {
  readonly #keys = new Map<string, { runs: number; told: RunReport }>()
  readonly #file: number | undefined
  #unkeyed = 0

  /** `file`: appended to, one JSON line for each run. Throws Error when it cannot be written. */
  constructor(file?: string) {
    this.#file = file === undefined ? undefined : openSync(file, 'a')
  }

  /** Whether there is room for this key. */
  admits(key: string | undefined): boolean {
    return key === undefined || this.#keys.has(key) || this.#keys.size < MAX_KEYS
  }

  /** Counts and writes a call. Returns the number of the run of its key. */
  run(entry: Omit<Entry, 'run' | 'key'>, key: string | undefined): number {
    const known = key === undefined ? undefined : this.#keys.get(key)
    const run = key === undefined ? ++this.#unkeyed : (known?.runs ?? 0) + 1
    if (known !== undefined) known.runs = run
    else if (key !== undefined) this.#keys.set(key, { runs: run, told: 'running' })
    const line: Entry = { at: entry.at, key: key ?? null, method: entry.method, path: entry.path, run }
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify(line)}\n`)
    return run
  }

  /** The response of the first run of a key; later ones change nothing. */
  answered(key: string | undefined, outcome: Outcome): void {
    const known = key === undefined ? undefined : this.#keys.get(key)
    if (known?.told !== 'running') return
    known.told = outcome.body.length > MAX_KEPT_BYTES ? 'not kept' : outcome
  }

  runs(key: string): number {
    return this.#keys.get(key)?.runs ?? 0
  }

  /** undefined: it never ran. */
  outcome(key: string): RunReport | undefined {
    return this.#keys.get(key)?.told
  }

  /** `repeated`: keys that were run more than once. */
  totals(): { keys: number; runs: number; repeated: number } {
    const all = [...this.#keys.values()]
    return {
      keys: all.length,
      runs: all.reduce((sum, { runs }) => sum + runs, this.#unkeyed),
      repeated: all.filter(({ runs }) => runs > 1).length,
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
  }
}
