import { ServiceError } from '../service-error.ts'

/** Most of what is open is settled within a second. */
export const RETRY_SOON_MS = 1_000

export function inProgress(retryAfterMs: number): ServiceError {
  return new ServiceError(
    'request_in_progress',
    'The first request with this key is still under way. Try again with the same key.',
    { retryAfterMs: Math.max(1, retryAfterMs) },
  )
}

export function timedOut(): ServiceError {
  return new ServiceError(
    'backend_timeout',
    'The payment gateway did not answer in time. Ask again with the same key.',
    { retryAfterMs: RETRY_SOON_MS, effect: 'unknown' },
  )
}

export function unknown(): ServiceError {
  return new ServiceError(
    'outcome_unknown',
    'The payment gateway has not said for a day whether it charged. It is asked on.',
  )
}

export function resting(restMs: number, effect: 'none' | 'unknown'): ServiceError {
  return new ServiceError(
    'circuit_open',
    effect === 'none'
      ? 'The payment gateway is being given a rest. Nothing was charged.'
      : 'The payment gateway is being given a rest. Whether it charged is asked after that.',
    { retryAfterMs: restMs, effect },
  )
}
