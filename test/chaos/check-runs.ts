import { byName, type Evidence, isGenuine, nameOf } from './evidence.ts'
import type { FaultKind } from './fault-kinds.ts'
import type { Exchange } from './history.ts'
import type { Violation } from './invariants.ts'

/** What the clock of the backend and that of the store may differ by, ms. */
const SLACK_MS = 500
/** A store whose clock jumps ahead forgets responses before their time. */
const CLOCK_STEPS: ReadonlySet<FaultKind> = new Set(['redis-clock', 'postgres-clock'])

/**
 * Invariant 8: the backend saw each key once; again only when its response was kept for its whole time to live, and
 * never while the outcome was unknown, which has no end by itself.
 */
export function ranAgain(evidence: Evidence): Violation[] {
  const found: Violation[] = []
  const asked = new Map<string, Exchange[]>()
  for (const [, own] of byName(evidence.exchanges)) {
    const [first] = own
    if (first !== undefined) asked.set(first.sent.key, own)
  }
  for (const [key, times] of runsByKey(evidence)) {
    const own = asked.get(key) ?? []
    const name = own[0] === undefined ? key : nameOf(own[0].sent)
    for (const [n, at] of times.entries()) {
      const before = times[n - 1]
      if (before === undefined) continue
      const why = wrongly(evidence, own, before, at)
      if (why !== undefined) found.push({ invariant: 8, what: `${name} has ${times.length} runs: ${why}` })
    }
  }
  return found
}

/** Times of the runs of each key, on the clock of the history. */
function runsByKey({ outcome, done }: Evidence): Map<string, number[]> {
  const offsetMs = outcome.startedAt - Date.parse(outcome.startedOn)
  const runs = new Map<string, number[]>()
  for (const { key, at = Number.NaN } of done) {
    const own = runs.get(key)
    if (own === undefined) runs.set(key, [at + offsetMs])
    else own.push(at + offsetMs)
  }
  for (const times of runs.values()) times.sort((a, b) => a - b)
  return runs
}

/** undefined: the key may have been forgotten between these two runs. */
function wrongly(
  { plan, outcome }: Evidence,
  own: readonly Exchange[],
  before: number,
  at: number,
): string | undefined {
  const isStepped = (from: number) =>
    outcome.faults.some(
      ({ kind, beganAt, endedAt }) => CLOCK_STEPS.has(kind) && beganAt < at && endedAt > from,
    )
  if (!(at - before >= plan.ttlMs - SLACK_MS) && !isStepped(before)) {
    return `two within ${Math.round(at - before)} ms`
  }
  // A response that came after all begins its time to live after the last request that was told "unknown" was sent.
  const unknown = own.filter(
    (one) =>
      isGenuine(one) && one.response?.code === 'outcome_unknown' && one.sent.at > before && one.endAt < at,
  )
  const last = unknown.at(-1)
  if (last === undefined || at - last.sent.at >= plan.ttlMs - SLACK_MS || isStepped(last.sent.at))
    return undefined
  return `one ${Math.round(at - last.sent.at)} ms after ${last.sent.id} was told that the outcome is unknown`
}
