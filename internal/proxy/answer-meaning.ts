import type { Effect } from '../request-state.ts'

export type On5xx = 'replay' | 'hold' | 'release'

/** The backend did not act on the request: a later one with the key may be let in, or be in time, or find room. */
const NOT_ACTED_ON = new Set([401, 403, 407, 408, 425, 429])

/**
 * What an answer that came whole means for its key. `outcome` is the header Idempotency-Outcome: a backend that
 * answers `none` vouches that nothing took effect.
 */
export function meaningOf(status: number, outcome: string | undefined, on5xx: On5xx): Effect {
  if (outcome?.trim().toLowerCase() === 'none' || NOT_ACTED_ON.has(status)) return 'nothing happened'
  if (status < 500 || on5xx === 'replay') return 'answer'
  return on5xx === 'release' ? 'nothing happened' : { unknown: 'backend_error' }
}

/** Types of answers that go on for as long as something happens: held back, they would be of no use. */
const STREAMED =
  /^(?:text\/event-stream|multipart\/x-mixed-replace|application\/(?:x-ndjson|jsonl|stream\+json|grpc))\b/i

/** Whether an answer must go out as it comes, and so cannot be recorded first. */
export function isStreamed(contentType: string | undefined, accelBuffering: string | undefined): boolean {
  return STREAMED.test(contentType ?? '') || accelBuffering?.trim().toLowerCase() === 'no'
}
