import { checkAudit } from './check-audit.ts'
import { checkEffects } from './check-effects.ts'
import { checkEnds } from './check-ends.ts'
import { checkEvents } from './check-events.ts'
import { checkLimits } from './check-limits.ts'
import { checkResponses } from './check-responses.ts'
import type { Evidence } from './evidence.ts'
import type { FaultKind } from './fault-kinds.ts'
import type { Violation } from './invariants.ts'
import type { PlannedFault } from './schedule.ts'
import { isFinal } from './traffic.ts'

export interface Verdict {
  violations: Violation[]
  /** Why the run says nothing, if it does not. */
  void: string[]
  /** Requests that wanted a response, and how many had the final one. */
  wanted: number
  succeeded: number
}

/** Holds what was recorded to all invariants, in time that grows with the history and no faster. */
export function check(evidence: Evidence, planned: readonly PlannedFault[]): Verdict {
  const violations = [
    ...checkEffects(evidence),
    ...checkResponses(evidence),
    ...checkLimits(evidence),
    ...checkAudit(evidence),
    ...checkEnds(evidence),
    ...checkEvents(evidence),
  ]
  violations.sort((a, b) => a.invariant - b.invariant)
  const wanted = evidence.exchanges.filter(({ sent }) => sent.kind === 'ask' || sent.kind === 'once')
  const succeeded = wanted.filter(
    ({ response }) => response !== undefined && isFinal(evidence.plan.mode, response.status, response.code),
  )
  return {
    violations,
    void: voided(evidence, planned, wanted.length, succeeded.length),
    wanted: wanted.length,
    succeeded: succeeded.length,
  }
}

function voided(
  evidence: Evidence,
  planned: readonly PlannedFault[],
  wanted: number,
  succeeded: number,
): string[] {
  const reasons: string[] = []
  if (succeeded * 2 < wanted || wanted === 0) {
    reasons.push(`only ${succeeded} of ${wanted} requests succeeded, which is less than half`)
  }
  const hit = new Set<FaultKind>(evidence.outcome.faults.filter((one) => one.hit).map(({ kind }) => kind))
  for (const kind of new Set(planned.map((one) => one.kind))) {
    if (!hit.has(kind)) reasons.push(`no ${kind} was seen to hit anything`)
  }
  return reasons
}
