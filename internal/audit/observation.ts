import type { ProblemCode } from '../core/service-error.ts'

/**
 * Events that change no payment. `payment.replayed`: the stored response was sent. `payment.conflict`: refused for its
 * key. `payment.refused`: refused without effect. `payment.unresolved`: an error that leaves the effect open; the entry
 * of the payment follows.
 */
export type ObservedEvent = 'payment.replayed' | 'payment.conflict' | 'payment.refused' | 'payment.unresolved'

/** The response to a request. */
export interface Outcome {
  status: number
  replayed: boolean
  /** undefined: not with a problem document, or with a stored one. */
  problem: { code: ProblemCode; effect: 'none' | 'unknown' } | undefined
}

/** One request for the audit trail. */
export interface AuditObservation {
  client: string
  eventType: ObservedEvent
  requestId: string
  /** Method and pattern, such as `POST /pay`. */
  route: string
  status: number
  code: ProblemCode | undefined
  key: string | undefined
}

const CONFLICTS = new Set<ProblemCode>(['idempotency_key_reused', 'request_in_progress', 'outcome_unknown'])
/** With these codes the effect is unknown. */
const OPEN = new Set<ProblemCode>(['internal_error', 'backend_timeout'])

/** undefined: nothing to observe. A first response, also a decline, is in the trail with the payment itself. */
export function observedEvent({ replayed, problem }: Outcome): ObservedEvent | undefined {
  if (replayed) return 'payment.replayed'
  if (problem === undefined) return undefined
  if (CONFLICTS.has(problem.code)) return 'payment.conflict'
  return problem.effect === 'unknown' || OPEN.has(problem.code) ? 'payment.unresolved' : 'payment.refused'
}
