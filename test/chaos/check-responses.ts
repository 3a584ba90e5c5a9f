import { byName, type Evidence, heldSinceStep, isGenuine } from './evidence.ts'
import { hasCharges, infoOf } from './fault-kinds.ts'
import type { Answered, Exchange } from './history.ts'
import type { Violation } from './invariants.ts'
import { isFinal } from './traffic.ts'

/** What a process that stood still, or a machine that is busy, adds to the life of a request without a response, ms. */
const AFTERLIFE_MS = 15_000
/** Beyond the lease, as long as a record that could not be completed stays in the way. */
const SLACK_MS = 1_000

/** Invariants 4, 5 and 13: what the responses for a key say about each other. */
export function checkResponses(evidence: Evidence): Violation[] {
  const found: Violation[] = []
  for (const [name, own] of byName(evidence.exchanges)) {
    found.push(...differing(evidence, name, own))
    for (const exchange of own) {
      const why = exchange.response?.status === 409 ? unjustified(evidence, exchange, own) : undefined
      if (why !== undefined) found.push({ invariant: 5, what: `${name} (${exchange.sent.id}): ${why}` })
    }
  }
  for (const { sent, response } of evidence.exchanges) {
    if (response === undefined) continue
    if (response.code === 'internal_error') found.push({ invariant: 13, what: `${sent.id} got a 500` })
    if (response.status === 503 && !/^[1-9]\d*$/.test(response.retryAfter)) {
      found.push({ invariant: 13, what: `${sent.id}: 503 ${response.code} without Retry-After` })
    }
  }
  for (const crash of evidence.outcome.crashes) found.push({ invariant: 13, what: crash })
  return found
}

/** Never stored, so never replayed. */
const NOT_STORED = new Set([400, 401, 403, 408, 413, 415, 425, 429, 503])

function differing({ plan, done }: Evidence, name: string, own: readonly Exchange[]): Violation[] {
  const found: Violation[] = []
  const finals = new Map<string, string>()
  for (const { sent, response } of own) {
    if (response === undefined) continue
    if (response.replayed && response.code !== '' && NOT_STORED.has(response.status)) {
      found.push({ invariant: 4, what: `${name} (${sent.id}): a ${response.status} was replayed` })
    }
    if (sent.kind !== 'forged' && isFinal(plan.mode, response.status, response.code))
      finals.set(textOf(response), sent.id)
  }
  // A key of the sidecar that was forgotten has a response for each of its runs; check-runs.ts holds that it may have them.
  const runs =
    plan.mode === 'proxy' && finals.size > 1 ? done.filter(({ key }) => key === own[0]?.sent.key).length : 1
  if (finals.size > Math.max(1, runs)) {
    const each = [...finals].map(([text, id]) => `${id}: ${text}`)
    found.push({
      invariant: 4,
      what: `${name} has ${finals.size} different responses: ${each.join(' and ')}`,
    })
  }
  return found
}

function textOf({ status, sha, type, location }: Answered): string {
  return `${status} ${type} ${location} ${sha.slice(0, 16)}`
}

/** undefined: it is right. `own`: all requests with its client and key. */
function unjustified(evidence: Evidence, asked: Exchange, own: readonly Exchange[]): string | undefined {
  const { response } = asked
  const others = own.filter((one) => one !== asked && isGenuine(one) && one.sent.at < asked.endAt)
  switch (response?.code) {
    case 'idempotency_key_reused':
      return others.some((one) => !isSame(one, asked))
        ? undefined
        : 'was told of another request, and there is none'
    case 'request_in_progress':
      return mayBeCompleted(evidence, asked) ||
        asked.sent.at <= heldSinceStep(evidence, own.filter(isGenuine)) ||
        others.some((one) => isSame(one, asked) && mayRunUntil(evidence, one) >= asked.sent.at)
        ? undefined
        : 'was told that the first is in flight, and it is not'
    case 'outcome_unknown':
      return isToldByExecutor(response) || mayBeUnknown(evidence, asked, others)
        ? undefined
        : 'was told that nobody knows, and nothing had gone wrong'
    default:
      return undefined
  }
}

function isSame(one: Exchange, other: Exchange): boolean {
  return one.sent.sha === other.sent.sha && one.sent.target === other.sent.target
}

/** A payment that took longer than its lease may be in the hands of the completer by now. */
function mayBeCompleted({ plan }: Evidence, { sent, endAt }: Exchange): boolean {
  return hasCharges(plan.mode) && endAt - sent.at >= plan.leaseMs
}

/** The last moment at which something of the request may still hold its key. */
function mayRunUntil({ plan, outcome }: Evidence, { sent, response, endAt }: Exchange): number {
  if (response === undefined) {
    const lastAt = endAt + plan.holdMs + AFTERLIFE_MS
    // Once all is well again, nothing is left of what was lost before.
    return sent.at < outcome.healedAt
      ? Math.max(endAt, Math.min(lastAt, outcome.healedAt + plan.holdMs + SLACK_MS))
      : lastAt
  }
  // A record that could not be completed holds its key as long as its lease.
  if (isFinal(plan.mode, response.status, response.code)) return endAt + plan.leaseMs + SLACK_MS
  return endAt + plan.holdMs + SLACK_MS
}

/** The words of the request itself that was sent and got no response, not of one that came after it. */
function isToldByExecutor({ detail }: Answered): boolean {
  return detail.startsWith('The connection') || detail.startsWith('The backend')
}

/** Something can have gone wrong: with a request before it, or with the node or the store of one. */
function mayBeUnknown({ plan, outcome }: Evidence, asked: Exchange, others: readonly Exchange[]): boolean {
  const same = others.filter((one) => isSame(one, asked))
  // One that still runs, and ends well or not only later, is no reason yet.
  const over = same.filter(({ endAt }) => endAt <= asked.endAt + SLACK_MS)
  if (over.some(({ response }) => response === undefined || response.code.startsWith('backend_'))) return true
  if (over.some(({ response }) => response !== undefined && isToldByExecutor(response))) return true
  // A machine that is too busy makes a store miss its deadline without any fault: its record then comes late.
  if (over.some(({ response }) => response?.code === 'store_unavailable')) return true
  const firstAt = Math.min(...same.map(({ sent }) => sent.at)) - plan.leaseMs
  return outcome.faults.some(({ kind, beganAt, endedAt }) => {
    if (kind === 'clock-skew') return false
    const isFar = ['partners', 'far side'].includes(infoOf(kind).place)
    return !isFar && beganAt < asked.endAt && endedAt > firstAt
  })
}
