import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { errorMessage } from '../../internal/core/error-message.ts'
import { oneOf, parseDuration, whole } from '../../src/config/setting-values.ts'
import {
  FAULT_KINDS,
  type FaultKind,
  isFaultKind,
  MODES,
  type Mode,
  STORES,
  type Store,
} from './fault-kinds.ts'

/** With --total. Two processors got to no more where they had nothing else to do; those at work have a limit, too. */
const RATE_OF_CPU = 150

export const HELP = `Usage: npm run chaos -- [OPTIONS]

Three nodes, Redis and PostgreSQL of their own, partners that write down each request before it is sent and each response
after, and faults on a schedule. In the end everything is healed, PostgreSQL is read, and what was recorded is held to
the invariants of docs/faults.md.

  --mode NAME        orders, payments, proxy or events (orders)
  --store NAME       redis or postgres: where the keys are (redis)
  --duration TIME    load and faults, before the healing (60s; with --total 5m)
  --rate N           new keys a second, as far as the machine gets (10; with --total ${RATE_OF_CPU} for each processor)
  --every TIME       a fault in this time, on average (1500ms; in mode events 2500ms, in mode proxy 3s)
  --faults LIST      only these, separated by commas; none for no faults at all
  --seed TEXT        the same seed has the same schedule (a new one, which is printed)
  --out DIR          report, timeline, history and logs (chaos-runs/MODE-STORE-SEED)
  --report FILE      the report once more, in this file
  --ttl TIME         how long a response is replayed (5s; in mode proxy 24h or 8s, by the seed)
  --sabotage NAME    plants a bug that the run must find; all: each of them in turn
  --other-version DIR
                     a built clone of another version: nodes of both run side by side, and change places
  --matrix           the four modes on both stores, all eight at the same time
  --total N          run after run, each mode on each store in turn, until there were N requests; only totals are kept, in
                     totals.jsonl in the directory of --out, and another session goes on from there
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
  /** undefined: what suits the mode, see usualEveryMs(). */
  everyMs: number | undefined
  faults: readonly FaultKind[] | undefined
  seed: string
  out: string | undefined
  report: string | undefined
  ttlMs: number | undefined
  /** Of the limit, for planted bugs; undefined: the usual one. */
  windowMs?: number | undefined
  sabotage: string | undefined
  otherVersion: string | undefined
  matrix: boolean
  total: number | undefined
  check: string | undefined
  help: boolean
}

const OPTIONS = {
  mode: { type: 'string', default: 'orders' },
  store: { type: 'string', default: 'redis' },
  duration: { type: 'string' },
  rate: { type: 'string' },
  every: { type: 'string' },
  faults: { type: 'string' },
  seed: { type: 'string' },
  out: { type: 'string' },
  report: { type: 'string' },
  ttl: { type: 'string' },
  sabotage: { type: 'string' },
  'other-version': { type: 'string' },
  matrix: { type: 'boolean', default: false },
  total: { type: 'string' },
  check: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const MAX_RATE = 1_000
const MAX_TOTAL = 1_000_000_000
const SHORTEST_MS = 5_000

/** On average one fault in this time: at least half of the requests are to succeed in each mode. */
export function usualEveryMs(mode: Mode): number {
  return { orders: 1_500, payments: 1_500, proxy: 3_000, events: 2_500 }[mode]
}

/** Throws Error that says which option is wrong, and the rule. */
export function readOptions(args: string[]): ChaosOptions {
  const { values } = parseArgs({ args, options: OPTIONS })
  const read = <T, Text extends string | undefined>(
    name: string,
    text: Text,
    parse: (text: Text) => T,
  ): T => {
    try {
      return parse(text)
    } catch (error) {
      throw new Error(`--${name} ${text}: ${errorMessage(error)}`)
    }
  }
  const isLong = values.total !== undefined
  const usualRate = Math.min(MAX_RATE, RATE_OF_CPU * availableParallelism())
  return {
    mode: read('mode', values.mode, oneOf(MODES)),
    store: read('store', values.store, oneOf(STORES)),
    durationMs: read('duration', values.duration ?? (isLong ? '5m' : '60s'), longEnough),
    rate: read('rate', values.rate ?? String(isLong ? usualRate : 10), whole(1, MAX_RATE)),
    everyMs: values.every === undefined ? undefined : read('every', values.every, parseDuration),
    faults: values.faults === undefined ? undefined : read('faults', values.faults, kinds),
    seed: read('seed', values.seed ?? randomBytes(4).toString('hex'), seedText),
    out: values.out,
    report: values.report,
    ttlMs: values.ttl === undefined ? undefined : read('ttl', values.ttl, longEnough),
    sabotage: values.sabotage,
    otherVersion: read('other-version', values['other-version'], builtClone),
    matrix: values.matrix,
    total: values.total === undefined ? undefined : read('total', values.total, whole(1, MAX_TOTAL)),
    check: values.check,
    help: values.help,
  }
}

function builtClone(directory: string | undefined): string | undefined {
  if (directory === undefined) return undefined
  for (const part of ['src/oncekey.js', 'dist', 'node_modules']) {
    if (!existsSync(join(directory, part))) {
      throw new Error(`it has no ${part}; run npm install and npm run build there`)
    }
  }
  return resolve(directory)
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
