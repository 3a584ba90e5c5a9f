import type { RequestOutcome } from '../core/request-outcome.ts'

/**
 * What a response 500-599 means for its key. 'auto': 503 frees it; the outcome of 502 and 504, which gateways give for a
 * backend behind them, is unknown; the others are replayed. 'replay': 502 and 504 are replayed, too. 'hold' and
 * 'release': all of them are unknown, or free the key.
 */
export const ON_5XX = ['auto', 'replay', 'hold', 'release'] as const
export type On5xx = (typeof ON_5XX)[number]

/**
 * The backend did not act on the request: a later one with the key may be let in, be in time, find room, or be well
 * formed by then (RFC 9110, 15.5, RFC 6585 and RFC 8470). The service does the same with its own responses.
 */
const NOT_ACTED_ON = new Set([
  400, 401, 403, 407, 408, 411, 413, 414, 415, 417, 421, 423, 425, 426, 428, 429, 431,
])

/** What a whole response means for its key. `outcome`: the header Idempotency-Outcome; `none`: nothing took effect. */
export function meaningOf(status: number, outcome: string | undefined, on5xx: On5xx): RequestOutcome {
  if (outcome?.trim().toLowerCase() === 'none' || NOT_ACTED_ON.has(status)) return 'not_executed'
  if (status < 500) return 'completed'
  if (on5xx === 'release') return 'not_executed'
  if (on5xx === 'hold') return { unknown: reasonOf(status) }
  if (status === 503) return 'not_executed'
  if (on5xx === 'auto' && (status === 502 || status === 504)) return { unknown: reasonOf(status) }
  return 'completed'
}

/** Envoy uses 503 where other gateways use 502. */
function reasonOf(status: number): string {
  if (status === 504) return 'backend_timeout'
  return status === 502 || status === 503 ? 'connection_lost' : 'backend_error'
}

/** Streaming types: held back they would be of no use. */
const STREAMED =
  /^(?:text\/event-stream|multipart\/x-mixed-replace|application\/(?:x-ndjson|jsonl|stream\+json|grpc))\b/i

/** Whether a response must be streamed and so cannot be recorded. */
export function isStreamed(contentType: string | undefined, accelBuffering: string | undefined): boolean {
  return STREAMED.test(contentType ?? '') || accelBuffering?.trim().toLowerCase() === 'no'
}
