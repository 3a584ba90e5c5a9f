/** The codes of the problem documents of the service. A newer service may have more. */
export type ServiceCode =
  | 'invalid_json'
  | 'invalid_request'
  | 'idempotency_key_missing'
  | 'idempotency_key_invalid'
  | 'signature_missing'
  | 'signature_invalid'
  | 'timestamp_out_of_range'
  | 'api_key_invalid'
  | 'scheme_not_allowed'
  | 'not_found'
  | 'method_not_allowed'
  | 'not_acceptable'
  | 'request_timeout'
  | 'idempotency_key_reused'
  | 'request_in_progress'
  | 'outcome_unknown'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'headers_too_large'
  | 'validation_failed'
  | 'rate_limited'
  | 'internal_error'
  | 'backend_unreachable'
  | 'backend_timeout'
  | 'store_unavailable'
  | 'circuit_open'
  | 'shutting_down'

/** The codes that the client sets itself. */
export type LocalCode =
  /** No complete response: the connection failed. */
  | 'network_error'
  /** No complete response within the time of one attempt. */
  | 'timeout'
  /** The caller's signal was aborted. `cause` is its reason. */
  | 'aborted'
  /** A response that is not from the service, such as the HTML page of a proxy. */
  | 'unexpected_answer'
  /** A response with more bytes than `maxResponseBytes`. */
  | 'answer_too_large'

// `string & {}` keeps editor completion for the known codes.
export type ProblemCode = ServiceCode | LocalCode | (string & {})

/** An invalid member of the request. `pointer` is a JSON Pointer (RFC 6901); '' is the whole body. */
export interface FieldFault {
  pointer: string
  detail: string
}

/** The state of the client's tightest rate limit. */
export interface RateLimitStanding {
  limit: number
  remaining: number
  /** When `remaining` grows, in Unix milliseconds by the clock of the service. */
  resetAtMs: number
}

/** The failure of one attempt. */
export interface Problem {
  code: ProblemCode
  detail: string
  /** The HTTP status; 0 without a response. */
  status: number
  /** `retryable` of the problem document; undefined without it. */
  retryable: boolean | undefined
  /** The minimum wait before a retry, as the service requests. */
  retryAfterMs: number | undefined
  requestId: string | undefined
  rateLimit: RateLimitStanding | undefined
  errors: readonly FieldFault[]
  cause: unknown
}

/** Why the request was not retried. */
export type GaveUp = 'not retryable' | 'attempts' | 'deadline' | 'retry budget' | 'aborted'

export interface Ending {
  key: string | undefined
  attempts: number
  effect: 'none' | 'unknown'
  gaveUp: GaveUp
}

/**
 * The error of a request after all attempts. To continue later, send the same input again with its `key`: it takes effect
 * once, together with the earlier attempts.
 *
 * @example catch (error) { if (error instanceof ProblemError) await sendLater(order, { key: error.key }) }
 */
export class ProblemError extends Error {
  readonly code: ProblemCode
  readonly status: number
  readonly detail: string
  readonly retryable: boolean | undefined
  readonly retryAfterMs: number | undefined
  readonly requestId: string | undefined
  readonly rateLimit: RateLimitStanding | undefined
  readonly errors: readonly FieldFault[]
  /** The key of all attempts; undefined for a request without one. */
  readonly key: string | undefined
  readonly attempts: number
  /** 'none': nothing took effect. 'unknown': it may have taken effect; a retry with `key` finds out. */
  readonly effect: 'none' | 'unknown'
  readonly gaveUp: GaveUp

  constructor(problem: Problem, ending: Ending) {
    const { key, attempts } = ending
    const details = [
      problem.code,
      ...(attempts > 1 ? [`${attempts} attempts`] : []),
      ...(key === undefined ? [] : [`key ${key}`]),
      ...(problem.requestId === undefined ? [] : [`request ${problem.requestId}`]),
    ]
    super(`${problem.detail} [${details.join(', ')}]`, { cause: problem.cause })
    this.name = 'ProblemError'
    this.code = problem.code
    this.status = problem.status
    this.detail = problem.detail
    this.retryable = problem.retryable
    this.retryAfterMs = problem.retryAfterMs
    this.requestId = problem.requestId
    this.rateLimit = problem.rateLimit
    this.errors = problem.errors
    this.key = key
    this.attempts = attempts
    this.effect = ending.effect
    this.gaveUp = ending.gaveUp
  }
}

/** A problem that the client found itself. */
export function localProblem(code: LocalCode, detail: string, more: Partial<Problem> = {}): Problem {
  return {
    code,
    detail,
    status: 0,
    retryable: undefined,
    retryAfterMs: undefined,
    requestId: undefined,
    rateLimit: undefined,
    errors: [],
    cause: undefined,
    ...more,
  }
}
