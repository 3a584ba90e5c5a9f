import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { oneOf, parseDuration, whole } from '../../src/setting-values.ts'
import {
  FAULT_KINDS,
  type FaultKind,
  isFaultKind,
  MODES,
  type Mode,
  STORES,
  type Store,
} from './fault-kinds.ts'

export const HELP = `Usage: npm run chaos -- [OPTIONS]

Three nodes, Redis and PostgreSQL of their own, partners that write down each request before it is sent and each answer
after, and faults on a schedule. In the end everything is healed, PostgreSQL is read, and what was recorded is held to
the invariants of docs/faults.md.

  --mode NAME        orders, payments or proxy (orders)
  --store NAME       redis or postgres: where the keys are (redis)
  --duration TIME    load and faults, before the healing (60s)
  --rate N           new keys a second (10)
  --every TIME       a fault in this time, on average (1500ms)
  --faults LIST      only these, separated by commas; none for no faults at all
  --seed TEXT        the same seed has the same schedule (a new one, which is printed)
  --out DIR          report, timeline, history and logs (chaos-runs/MODE-STORE-SEED)
  --report FILE      the report once more, in this file
  --sabotage NAME    plants a bug that the run must find; all: each of them in turn
  --matrix           the three modes on both stores, all six at the same time
  --check DIR        holds a run that was recorded before to the invariants again
  --help             this, and the names of faults and bugs

Exit code 0: held. 1: violated (with --sabotage: not found). 2: wrong usage. 3: void, since fewer than half of the
requests succeeded or a fault did not hit.
`

export interface ChaosOptions {
  mode: Mode
  store: Store
  durationMs: number
  rate: number
  everyMs: number
  faults: readonly FaultKind[] | undefined
  seed: string
  out: string | undefined
  report: string | undefined
  sabotage: string | undefined
  matrix: boolean
  check: string | undefined
  help: boolean
}

const OPTIONS = {
  mode: { type: 'string', default: 'orders' },
  store: { type: 'string', default: 'redis' },
  duration: { type: 'string', default: '60s' },
  rate: { type: 'string', default: '10' },
  every: { type: 'string', default: '1500ms' },
  faults: { type: 'string' },
  seed: { type: 'string' },
  out: { type: 'string' },
  report: { type: 'string' },
  sabotage: { type: 'string' },
  matrix: { type: 'boolean', default: false },
  check: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const SHORTEST_MS = 5_000

/** Throws Error that says which option is wrong, and the rule. */
export function readOptions(args: string[]): ChaosOptions {
  const { values } = parseArgs({ args, options: OPTIONS })
  const read = <T>(name: string, text: string, parse: (text: string) => T): T => {
    try {
      return parse(text)
    } catch (error) {
      throw new Error(`--${name} ${text}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return {
    mode: read('mode', values.mode, oneOf(MODES)),
    store: read('store', values.store, oneOf(STORES)),
    durationMs: read('duration', values.duration, longEnough),
    rate: read('rate', values.rate, whole(1, 1_000)),
    everyMs: read('every', values.every, parseDuration),
    faults: values.faults === undefined ? undefined : read('faults', values.faults, kinds),
    seed: read('seed', values.seed ?? randomBytes(4).toString('hex'), seedText),
    ...{ out: values.out, report: values.report, sabotage: values.sabotage, matrix: values.matrix },
    ...{ check: values.check, help: values.help },
  }
}

function longEnough(text: string): number {
  const ms = parseDuration(text)
  if (ms < SHORTEST_MS) throw new Error(`must be at least ${SHORTEST_MS} ms`)
  return ms
}

function kinds(text: string): FaultKind[] {
  if (text === 'none') return []
  return text.split(',').map((name) => {
    if (!isFaultKind(name)) throw new Error(`there is no fault ${name}; there are ${FAULT_KINDS.join(', ')}`)
    return name
  })
}

function seedText(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(text)) throw new Error('must be 1 to 32 characters of A-Z a-z 0-9 _ -')
  return text
}
