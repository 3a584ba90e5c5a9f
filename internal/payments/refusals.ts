import { ServiceError } from '../core/service-error.ts'

/** Most open payments are settled within a second. */
export const RETRY_SOON_MS = 1_000

export function inProgress(retryAfterMs: number): ServiceError {
  return new ServiceError(
    'request_in_progress',
    'The first request with this key is still in flight. Try again with the same key.',
    { retryAfterMs: Math.max(1, retryAfterMs) },
  )
}

export function timedOut(): ServiceError {
  return new ServiceError(
    'backend_timeout',
    'The payment gateway did not respond in time. Ask again with the same key.',
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
      ? 'The circuit breaker of the payment gateway is open. Nothing was charged.'
      : 'The circuit breaker of the payment gateway is open. Whether the gateway charged is asked when it closes.',
    { retryAfterMs: restMs, effect },
  )
}
