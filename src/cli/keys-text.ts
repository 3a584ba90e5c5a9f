import { quoted } from '../../internal/core/quoted.ts'
import type { KeyRecord, Resolution } from '../../internal/idempotency/key-records.ts'

/** One record in a line. Names are quoted: they may have spaces or control characters. */
export function keyLine(record: KeyRecord): string {
  const { client, scope, key } = record.id
  const state = record.state.padEnd('in_progress'.length)
  return `${state}  ${client}  ${quoted(scope)}  ${quoted(key)}  ${story(record)}\n`
}

export function keyLines(record: KeyRecord): string {
  const { id, state, attempt, expiresMs } = record
  const forgotten =
    expiresMs === undefined ? 'never, until it is resolved or released' : `in ${age(expiresMs)}`
  const lines: [string, string][] = [
    ['client', id.client],
    ['scope', quoted(id.scope)],
    ['key', quoted(id.key)],
    ['state', `${state}, ${story(record)}`],
    ['attempt', `${attempt}`],
    ['forgotten', forgotten],
  ]
  return lines.map(([name, value]) => `${name.padEnd(10)} ${value}\n`).join('')
}

/** Without the token, with which a reader could complete the key. */
export function keyJson({ id, held: _, ...record }: KeyRecord): object {
  return {
    ...id,
    state: record.state,
    attempt: record.attempt,
    reason: record.reason,
    since_ms: record.sinceMs,
    lease_ms: record.leaseMs,
    expires_ms: record.expiresMs ?? null,
    status: record.status,
    resolved_by: record.resolvedBy,
  }
}

export function logLine({ at, event, client, scope, key, by, status, reason }: Resolution): string {
  const what = event === 'key.released' ? 'released' : `resolved with ${status ?? '?'}`
  const why = reason === undefined ? '' : `: ${quoted(reason)}`
  return `${at}  ${quoted(by)} ${what}  ${client}  ${quoted(scope)}  ${quoted(key)}${why}\n`
}

function story({ state, reason, sinceMs, leaseMs, status, resolvedBy }: KeyRecord): string {
  if (state === 'completed') {
    return `returned ${status ?? '?'}${resolvedBy === undefined ? '' : `, as ${quoted(resolvedBy)} said`}`
  }
  if (state === 'unknown') return sinceMs === undefined ? `${reason}` : `${reason}, ${age(sinceMs)} ago`
  const since = sinceMs === undefined ? '' : `sent ${age(sinceMs)} ago`
  const lease =
    leaseMs === undefined || leaseMs === 0 ? 'its lease is over' : `its lease holds for ${age(leaseMs)}`
  return [since, lease].filter(Boolean).join(', ')
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** The two largest units: `3 min 5 s`, `2 d 4 h`. */
export function age(ms: number): string {
  const first = UNITS.findIndex(([, unitMs]) => ms >= unitMs)
  if (first === -1) return 'less than 1 s'
  const parts: string[] = []
  let leftMs = ms
  for (const [unit, unitMs] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(leftMs / unitMs)
    leftMs -= count * unitMs
    if (count > 0) parts.push(`${count} ${unit}`)
  }
  return parts.join(' ')
}
