import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import type { Verdict } from './check.ts'
import type { Evidence } from './evidence.ts'
import { MODES, STORES } from './fault-kinds.ts'
import { machine } from './report.ts'

/** What is left of a run whose history has been checked and deleted; a line of the file of totals. */
const total = z.strictObject({
  startedOn: z.string(),
  commit: z.string(),
  seed: z.string(),
  machine: z.string(),
  mode: z.enum(MODES),
  store: z.enum(STORES),
  minutes: z.number(),
  requests: z.number(),
  wanted: z.number(),
  succeeded: z.number(),
  /** How often each kind was seen to hit. */
  hits: z.record(z.string(), z.number()),
  violations: z.number(),
  /** Why the run says nothing; '' where it does say something. */
  void: z.string(),
})
export type Total = z.infer<typeof total>

export function totalOf({ plan, outcome, exchanges }: Evidence, verdict: Verdict): Total {
  const hits: Record<string, number> = {}
  for (const { kind, hit } of outcome.faults) if (hit) hits[kind] = (hits[kind] ?? 0) + 1
  return {
    startedOn: outcome.startedOn,
    commit: outcome.commit,
    seed: plan.seed,
    machine: machine(),
    mode: plan.mode,
    store: plan.store,
    minutes: plan.durationMs / 60_000,
    requests: exchanges.length,
    wanted: verdict.wanted,
    succeeded: verdict.succeeded,
    hits,
    violations: verdict.violations.length,
    void: verdict.void.join('; '),
  }
}

/** Of all sessions before; none where there is no such file. */
export function readTotals(file: string): Total[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => total.parse(JSON.parse(line)))
}

export function addTotal(file: string, one: Total): void {
  mkdirSync(dirname(file), { recursive: true })
  appendFileSync(file, `${JSON.stringify(one)}\n`)
}

/** Runs that are void prove nothing, and are not counted. */
export function requestsOf(totals: readonly Total[]): number {
  return totals.reduce((sum, one) => sum + (one.void === '' ? one.requests : 0), 0)
}

/** A row for each mode and store, and what all of them together say. */
export function totalsTable(totals: readonly Total[]): string {
  const counted = totals.filter((one) => one.void === '')
  const rows = MODES.flatMap((mode) => STORES.map((store) => ({ mode, store }))).flatMap(
    ({ mode, store }) => {
      const own = counted.filter((one) => one.mode === mode && one.store === store)
      return own.length === 0 ? [] : [row(`${mode} | ${store}`, own)]
    },
  )
  const requests = requestsOf(counted)
  const faults = sum(counted, faultsOf)
  const violations = sum(counted, (one) => one.violations)
  const kinds = new Set(counted.flatMap(({ hits }) => Object.keys(hits))).size
  const commits = [...new Set(counted.map(({ commit }) => commit))].join(', ')
  return [
    '| mode | store | runs | minutes | requests | succeeded | faults that hit | violations |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    row('**all** | ', counted),
    '',
    `Commits ${commits}; ${kinds} kinds of faults; ${totals.length - counted.length} more runs were void and are not counted.`,
    violations === 0 && requests > 0
      ? `No violation in ${requests} requests and ${faults} faults: with 95 % confidence fewer than ${bound(requests)} of the ` +
        `requests, and fewer than ${bound(faults)} of the faults, bring one (rule of three).`
      : `${violations} violations.`,
  ].join('\n')
}

/** 3 / n, as one in so many. */
function bound(n: number): string {
  return n < 3 ? 'all' : `1 in ${Math.floor(n / 3)}`
}

function row(name: string, own: readonly Total[]): string {
  const wanted = sum(own, (one) => one.wanted)
  const share = wanted === 0 ? '-' : `${Math.round((100 * sum(own, (one) => one.succeeded)) / wanted)} %`
  const cells = [
    own.length,
    Math.round(sum(own, (one) => one.minutes)),
    requestsOf(own),
    share,
    sum(own, faultsOf),
    sum(own, (one) => one.violations),
  ]
  return `| ${name} | ${cells.join(' | ')} |`
}

function faultsOf({ hits }: Total): number {
  return Object.values(hits).reduce((all, one) => all + one, 0)
}

function sum(totals: readonly Total[], of: (one: Total) => number): number {
  return totals.reduce((all, one) => all + of(one), 0)
}
