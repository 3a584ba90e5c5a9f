/** The codes of the service's problem documents. A later service may have more. */
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

/** What the service did not say itself. */
export type LocalCode =
  /** No response: the connection failed, or was cut before the response was whole. */
  | 'network_error'
  /** No response within the time of one attempt. */
  | 'timeout'
  /** The caller's signal. `cause` is its reason. */
  | 'aborted'
  /** A response that is not the service's, such as the HTML page of a proxy. `status` says which. */
  | 'unexpected_answer'
  /** A response of more bytes than `maxResponseBytes`. */
  | 'answer_too_large'

// `string & {}` keeps the completion of the known ones.
export type ProblemCode = ServiceCode | LocalCode | (string & {})

/** One member of the request that is not valid: `pointer` is a JSON Pointer (RFC 6901), '' is the whole body. */
export interface FieldFault {
  pointer: string
  detail: string
}

/** Where the client stands in its tightest rate limit. */
export interface RateLimitStanding {
  limit: number
  remaining: number
  /** When the limit is whole again, milliseconds since 1970, by the service's clock. */
  resetAtMs: number
}

/** What went wrong in one attempt. */
export interface Problem {
  code: ProblemCode
  detail: string
  /** 0: there was no response. */
  status: number
  /** As the service says; undefined where it does not. */
  retryable: boolean | undefined
  /** Not earlier than this, as the service asks. */
  retryAfterMs: number | undefined
  requestId: string | undefined
  rateLimit: RateLimitStanding | undefined
  errors: readonly FieldFault[]
  cause: unknown
}

/** Why it was not tried again. */
export type GaveUp = 'not retryable' | 'attempts' | 'deadline' | 'retry budget' | 'aborted'

export interface Ending {
  key: string | undefined
  attempts: number
  effect: 'none' | 'unknown'
  gaveUp: GaveUp
}

/**
 * The one error of a request, after all attempts. To go on where it ended, send the same input with its `key`
 * again: it takes effect once, whatever became of the earlier attempts.
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
  /** 'none': for certain, nothing took effect. 'unknown': it may have, and only a retry with `key` finds out. */
  readonly effect: 'none' | 'unknown'
  readonly gaveUp: GaveUp

  constructor(problem: Problem, ending: Ending) {
    const { key, attempts } = ending
    const marks = [
      problem.code,
      ...(attempts > 1 ? [`${attempts} attempts`] : []),
      ...(key === undefined ? [] : [`key ${key}`]),
      ...(problem.requestId === undefined ? [] : [`request ${problem.requestId}`]),
    ]
    super(`${problem.detail} [${marks.join(', ')}]`, { cause: problem.cause })
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

/** A problem that this side found. */
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
