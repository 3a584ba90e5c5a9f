import { keyReused, ServiceError } from '../core/service-error.ts'
import { isSameRequest } from './fingerprint.ts'
import type { Claim, UnknownReason } from './store.ts'

/** A holder is mostly done within a second; one that died is noticed when its lease runs out. */
const RETRY_SOON_MS = 1_000

/** It took effect and got a response; only the response cannot be given again. There is nothing to find out. */
export const ANSWERED: ReadonlySet<UnknownReason> = new Set(['answer_too_large', 'answer_streamed'])

/** What the claim of a key that is not ours means for the request with this fingerprint. */
export function refusal(
  claim: Exclude<Claim, { outcome: 'acquired' | 'replay' }>,
  fingerprint: string,
): ServiceError {
  switch (claim.outcome) {
    case 'mismatch':
      return claim.fingerprint !== undefined && isSameRequest(claim.fingerprint, fingerprint)
        ? otherCredentials()
        : keyReused()
    case 'in_progress':
      return inProgress(claim.retryAfterMs)
    case 'unknown':
      return new ServiceError(
        'outcome_unknown',
        ANSWERED.has(claim.reason)
          ? 'The request with this key took effect and got a response, but its response was not one that is kept. It is not run again.'
          : 'It is not known whether the request with this key took effect. It is not run again until that is known.',
      )
  }
}

/** The advice of keyReused() would be wrong here: it is the same request, and a new key could run it a second time. */
function otherCredentials(): ServiceError {
  return new ServiceError(
    'idempotency_key_reused',
    'The same request was sent with this key under other credentials, and it may have taken effect. Its response is given only under the credentials that it was made for: send it with those, or find out what became of it. Another key could run it a second time.',
  )
}

export function inProgress(retryAfterMs: number = RETRY_SOON_MS): ServiceError {
  return new ServiceError(
    'request_in_progress',
    'The first request with this key is still in flight. Try again with the same key.',
    { retryAfterMs: Math.max(1, Math.min(retryAfterMs, RETRY_SOON_MS)) },
  )
}
