import type { Checked } from './check.ts'
import type { Violation } from './ledger.ts'
import type { Outcome } from './losing-fetch.ts'
import type { Api } from './settings.ts'
import type { Call, Run } from './simulation.ts'

/** One row of the table. sent = fresh + replayed + inProgress + limited + lost + failed. */
export interface Row {
  client: string
  /** Keys. */
  requests: number
  /** Attempts. */
  sent: number
  fresh: number
  replayed: number
  inProgress: number
  limited: number
  lost: number
  failed: number
  /** Attempts after the first of each copy. */
  retries: number
  /** Copies that ended without a response. */
  gaveUp: number
  /** Of the attempts that got a response, from sending to the last byte. */
  p50Ms: number | null
  p99Ms: number | null
}

export interface Summary {
  ok: boolean
  url: string
  api: Api
  seed: string
  seconds: number
  clients: Row[]
  total: Row
  check: Checked
  violations: Violation[]
}

export function summarize(run: Run, check: Checked): Summary {
  const names = [...new Set(run.calls.map(({ client }) => client))].sort(
    (one, other) => one.length - other.length || (one < other ? -1 : 1),
  )
  const { violations } = run.ledger
  return {
    ok: violations.length === 0 && check.open.length === 0,
    url: run.settings.url,
    api: run.settings.api,
    seed: run.settings.seed,
    seconds: Math.round(run.now()) / 1_000,
    clients: names.map((name) =>
      rowOf(
        name,
        run.calls.filter(({ client }) => client === name),
      ),
    ),
    total: rowOf('total', run.calls),
    check,
    violations,
  }
}

export function rowOf(client: string, calls: readonly Call[]): Row {
  const attempts = calls.flatMap((call) => call.attempts)
  const count = (outcome: Outcome) => attempts.filter((attempt) => attempt.outcome === outcome).length
  const timesMs = attempts
    .filter(({ outcome, status }) => outcome !== 'lost' && status !== 0)
    .map(({ startMs, endMs }) => endMs - startMs)
    .sort((one, other) => one - other)
  return {
    client,
    requests: new Set(calls.map(({ key }) => key)).size,
    sent: attempts.length,
    fresh: count('fresh'),
    replayed: count('replayed'),
    inProgress: count('in progress'),
    limited: count('limited'),
    lost: count('lost'),
    failed: count('failed'),
    retries: calls.reduce((sum, call) => sum + Math.max(0, call.attempts.length - 1), 0),
    gaveUp: calls.filter(({ gaveUp }) => gaveUp).length,
    p50Ms: percentile(timesMs, 0.5),
    p99Ms: percentile(timesMs, 0.99),
  }
}

/** The nearest-rank percentile of ascending values; null without any. */
export function percentile(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  return value === undefined ? null : Math.round(value * 10) / 10
}

const COLUMNS: [title: string, value: (row: Row) => string | number][] = [
  ['client', ({ client }) => client],
  ['requests', ({ requests }) => requests],
  ['sent', ({ sent }) => sent],
  ['fresh', ({ fresh }) => fresh],
  ['replayed', ({ replayed }) => replayed],
  ['409 busy', ({ inProgress }) => inProgress],
  ['429', ({ limited }) => limited],
  ['lost', ({ lost }) => lost],
  ['failed', ({ failed }) => failed],
  ['retries', ({ retries }) => retries],
  ['p50 ms', ({ p50Ms }) => p50Ms?.toFixed(1) ?? '-'],
  ['p99 ms', ({ p99Ms }) => p99Ms?.toFixed(1) ?? '-'],
]

const WORDS = { orders: 'orders in the list', pay: 'payments in the responses', payments: 'payments' }

/** The table and the result of the check. */
export function summaryText(summary: Summary): string {
  const { clients, total, check, violations, seconds, seed, ok } = summary
  const rows = [COLUMNS.map(([title]) => title)]
  for (const row of [...clients, total]) rows.push(COLUMNS.map(([, value]) => String(value(row))))
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  )
  const rule = '-'.repeat(lines[0]?.length ?? 0)
  lines.splice(1, 0, rule)
  lines.splice(-1, 0, rule)
  return [
    ...lines,
    '',
    ...(total.gaveUp === 0 ? [] : [`${total.gaveUp} ended without a response in time`]),
    `${check.resent} of ${check.keys} keys sent again at the end; ${check.orders} ${WORDS[summary.api]} for ${check.keys} keys`,
    ...violations.map(({ key, what, detail }) => `BROKEN  ${key}: ${what}: ${detail}`),
    ...check.open.map((text) => `NOT CHECKED  ${text}`),
    `${ok ? 'OK: every key took effect once, and every response to it was the same' : verdict(summary)} (${seconds.toFixed(1)} s, --seed ${seed})`,
    '',
  ].join('\n')
}

function verdict({ violations, check }: Summary): string {
  const keys = new Set(violations.map(({ key }) => key)).size
  if (keys > 0) return `BROKEN: ${keys} of ${check.keys} keys`
  return `NOT CHECKED: ${check.open.length} of ${check.keys} keys and the list`
}
