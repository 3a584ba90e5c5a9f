import type { Middleware } from '../../internal/core/request-state.ts'
import { cachedResponse, sendCached } from '../../internal/http/cached-response.ts'
import type { RetryConfig } from '../client/retry-config.ts'
import {
  DEFAULT_RETRY,
  DEFAULT_RETRY_ON,
  delayCeiling,
  MULTIPLIER,
  retryDelay,
} from '../client/retry-policy.ts'

/** `GET /api/v1/retry-config`: the retries of the SDK, for other clients. */
export function retryConfig(): Middleware {
  const response = cachedResponse('application/json; charset=utf-8', JSON.stringify(recommendedRetry()))
  return async function retryConfig(ctx) {
    sendCached(ctx, response)
  }
}

export function recommendedRetry(): RetryConfig {
  const { maxAttempts, baseMs, capMs, attemptTimeoutMs, deadlineMs } = DEFAULT_RETRY
  const retries = Array.from({ length: maxAttempts - 1 }, (_, retry) => retry)
  return {
    max_attempts: maxAttempts,
    base_delay_ms: baseMs,
    max_delay_ms: capMs,
    multiplier: MULTIPLIER,
    jitter: 'full',
    attempt_timeout_ms: attemptTimeoutMs,
    deadline_ms: deadlineMs,
    honour_retry_after: true,
    retry_on: { statuses: [...DEFAULT_RETRY_ON.statuses], codes: [...DEFAULT_RETRY_ON.codes] },
    example_delays_ms: retries.map((retry) => delayCeiling(DEFAULT_RETRY, retry)),
    example_delays_with_jitter_ms: retries.map((retry) =>
      Math.round(retryDelay(DEFAULT_RETRY, retry, undefined, () => drawn(retry))),
    ),
  }
}

/** In place of a random number, so that the response is always the same: multiples of the golden ratio are scattered. */
function drawn(retry: number): number {
  return ((retry + 1) * 0.618_034) % 1
}
