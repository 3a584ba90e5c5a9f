import { keyReused, ServiceError } from '../service-error.ts'
import type { Claim, UnknownReason } from './store.ts'

/** A holder is mostly done within a second; one that died is noticed when its lease runs out. */
const RETRY_SOON_MS = 1_000

/** It took effect and was answered; only the answer cannot be given again. There is nothing to find out. */
export const ANSWERED: ReadonlySet<UnknownReason> = new Set(['answer_too_large', 'answer_streamed'])

/** What the claim of a key that is not ours means for the request. */
export function refusal(claim: Exclude<Claim, { outcome: 'acquired' | 'replay' }>): ServiceError {
  switch (claim.outcome) {
    case 'mismatch':
      return keyReused()
    case 'in_progress':
      return inProgress(claim.retryAfterMs)
    case 'unknown':
      return new ServiceError(
        'outcome_unknown',
        ANSWERED.has(claim.reason)
          ? 'The request with this key took effect and was answered, but its answer was not one that is kept. It is not run again.'
          : 'It is not known whether the request with this key took effect. It is not run again until that is known.',
      )
  }
}

export function inProgress(retryAfterMs: number = RETRY_SOON_MS): ServiceError {
  return new ServiceError(
    'request_in_progress',
    'The first request with this key is still under way. Try again with the same key.',
    { retryAfterMs: Math.max(1, Math.min(retryAfterMs, RETRY_SOON_MS)) },
  )
}
