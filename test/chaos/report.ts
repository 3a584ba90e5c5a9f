import { cpus, totalmem } from 'node:os'
import type { Verdict } from './check.ts'
import type { Evidence } from './evidence.ts'
import { FAULT_KINDS, infoOf } from './fault-kinds.ts'
import { INVARIANT_NUMBERS, INVARIANTS } from './invariants.ts'
import { isFinal } from './traffic.ts'

const SHOWN = 40

/** The head of the table of published runs in docs/faults.md. */
export const RUNS_HEAD = [
  '| date | commit | seed | machine | mode | store | minutes | requests | succeeded | faults | violations |',
  '|---|---|---|---|---|---|---|---|---|---|---|',
].join('\n')

/** A row of it. */
export function runRow({ plan, outcome, exchanges }: Evidence, verdict: Verdict): string {
  const minutes = (plan.durationMs / 60_000).toFixed(plan.durationMs < 600_000 ? 1 : 0)
  const cells = [
    ...[outcome.startedOn.slice(0, 16).replace('T', ' '), outcome.commit, plan.seed, machine(), plan.mode],
    ...[plan.store, minutes, exchanges.length, share(verdict), outcome.faults.length],
    verdict.void.length > 0 ? 'void' : verdict.violations.length,
  ]
  return `| ${cells.join(' | ')} |`
}

/** What a person reads after a run, in Markdown. */
export function reportText(evidence: Evidence, verdict: Verdict, svg: string): string {
  const { plan, outcome } = evidence
  const { violations } = verdict
  return [
    `# Chaos: ${plan.mode} on ${plan.store}, seed ${plan.seed}`,
    '',
    verdictText(verdict),
    '',
    RUNS_HEAD,
    runRow(evidence, verdict),
    '',
    `![Faults above, outcomes below](${svg})`,
    '',
    '## Faults',
    '',
    'Acknowledged before: how many of the final responses a client had before the last fault of the kind, all of which are held',
    'against what there is in the end.',
    '',
    '| fault | what | times | hit | acknowledged before |',
    '|---|---|---|---|---|',
    ...FAULT_KINDS.flatMap((kind) => {
      const own = outcome.faults.filter((one) => one.kind === kind)
      if (own.length === 0) return []
      const lastAt = Math.max(...own.map(({ beganAt }) => beganAt))
      const cells = [own.length, own.filter(({ hit }) => hit).length, acknowledgedBefore(evidence, lastAt)]
      return [`| ${kind} | ${infoOf(kind).what} | ${cells.join(' | ')} |`]
    }),
    ...(outcome.faultsLeftOut > 0
      ? ['', `${outcome.faultsLeftOut} more were planned, and the run was over before their place was free.`]
      : []),
    '',
    '## Outcomes',
    '',
    '| outcome | requests |',
    '|---|---|',
    ...outcomeCounts(evidence).map(([what, count]) => `| ${what} | ${count} |`),
    '',
    latencies(evidence),
    '',
    ...eventCounts(evidence),
    '## Invariants',
    '',
    '| | invariant | violations |',
    '|---|---|---|',
    ...INVARIANT_NUMBERS.map((n) => {
      const count = violations.filter(({ invariant }) => invariant === n).length
      return `| ${n} | ${INVARIANTS[n]} | ${count} |`
    }),
    ...(violations.length === 0 ? [] : ['', '## Violations', '']),
    ...violations.slice(0, SHOWN).map(({ invariant, what }) => `- ${invariant}: ${what}`),
    ...(violations.length > SHOWN ? [`- and ${violations.length - SHOWN} more`] : []),
    '',
  ].join('\n')
}

function acknowledgedBefore({ plan, exchanges }: Evidence, at: number): number {
  return exchanges.filter(
    ({ sent, response, endAt }) =>
      sent.kind !== 'forged' &&
      endAt <= at &&
      response !== undefined &&
      isFinal(plan.mode, response.status, response.code),
  ).length
}

export function verdictText({ violations, void: reasons }: Verdict): string {
  const lines: string[] = []
  if (violations.length > 0) {
    const numbers = [...new Set(violations.map(({ invariant }) => invariant))]
    lines.push(
      `**BROKEN**: ${violations.length} violations, of ${numbers.map((n) => `invariant ${n}`).join(', ')}.`,
    )
  }
  if (reasons.length > 0) lines.push(`**VOID**: ${reasons.join('; ')}.`)
  return lines.length === 0 ? '**Held**: no violation.' : lines.join('\n')
}

function share({ wanted, succeeded }: Verdict): string {
  return wanted === 0 ? '-' : `${Math.round((100 * succeeded) / wanted)} %`
}

function outcomeCounts({ exchanges }: Evidence): [string, number][] {
  const counts = new Map<string, number>()
  for (const { response, error } of exchanges) {
    const replayed = response?.replayed === true ? ', replayed' : ''
    const code = response === undefined || response.code === '' ? '' : ` ${response.code}`
    const what =
      response === undefined ? `no response: ${error ?? 'none'}` : `${response.status}${code}${replayed}`
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a)
}

function eventCounts({ events }: Evidence): string[] {
  if (events === undefined) return []
  const { rows, webhooks, pages, receivers } = events
  const count = (state: string) => rows.deliveries.filter((one) => one.state === state).length
  const readers = new Set(pages.map(({ reader }) => reader)).size
  return [
    `${rows.events.length} events. ${webhooks.length} webhooks came to ${receivers.length} receivers: ${count('delivered')} ` +
      `deliveries were successful, ${count('failed')} failed. ${readers} readers got ${pages.length} pages.`,
    '',
  ]
}

function latencies({ exchanges }: Evidence): string {
  const sorted = exchanges
    .filter(({ response, sent }) => response !== undefined && sent.kind !== 'burst')
    .map(({ sent, endAt }) => endAt - sent.at)
    .sort((a, b) => a - b)
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1)
  return `Responses took ${at(0.5)} ms (p50), ${at(0.99)} ms (p99), ${at(1)} ms (the longest), faults included.`
}

export function machine(): string {
  const all = cpus()
  const model = (all[0]?.model ?? 'unknown')
    .replace(/\(R\)|\(TM\)|CPU|Processor/g, '')
    .replace(/\s+/g, ' ')
    .trim()
  return `${all.length} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB`
}
