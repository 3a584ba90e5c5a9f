/**
 * All error codes of the service. Rooms throw a ServiceError; `internal/http/problems.ts` turns it into an RFC 9457 problem
 * document. Any other error is a defect and becomes `internal_error`.
 */
export const PROBLEMS = {
  invalid_json: { status: 400, title: 'The body is not valid JSON' },
  invalid_request: { status: 400, title: 'The request is malformed' },
  idempotency_key_missing: { status: 400, title: 'The Idempotency-Key header is missing' },
  idempotency_key_invalid: { status: 400, title: 'The Idempotency-Key header is invalid' },
  signature_missing: { status: 401, title: 'The request is not signed' },
  signature_invalid: { status: 401, title: 'The signature does not match' },
  timestamp_out_of_range: { status: 401, title: 'The timestamp of the signature is out of range' },
  api_key_invalid: { status: 401, title: 'The API key is not valid' },
  scheme_not_allowed: { status: 403, title: 'The signature scheme is not accepted here' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  not_acceptable: { status: 406, title: 'The accepted media types are not available' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  idempotency_key_reused: { status: 409, title: 'The key was used for another request', retryable: false },
  request_in_progress: { status: 409, title: 'Request in progress', retryable: true },
  outcome_unknown: { status: 409, title: 'Outcome unknown', retryable: true },
  body_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The media type is not supported' },
  validation_failed: { status: 422, title: 'The values are not valid', retryable: false },
  rate_limited: { status: 429, title: 'Too many requests', retryable: true },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Internal error' },
  backend_unreachable: {
    status: 502,
    title: 'Upstream unreachable',
    retryable: true,
  },
  store_unavailable: { status: 503, title: 'Store unavailable', retryable: true },
  circuit_open: { status: 503, title: 'Circuit breaker open', retryable: true },
  shutting_down: { status: 503, title: 'The service is shutting down', retryable: true },
  backend_timeout: {
    status: 504,
    title: 'Upstream timed out',
    retryable: true,
  },
} as const satisfies Record<string, { status: number; title: string; retryable?: boolean }>

export type ProblemCode = keyof typeof PROBLEMS

/** An invalid member of a body. `pointer` is a JSON Pointer (RFC 6901); '' is the whole body. */
export interface FieldFault {
  pointer: string
  detail: string
}

interface Extras {
  /** The wait before a retry, in milliseconds; becomes `Retry-After` and `retry_after_ms`. */
  retryAfterMs?: number
  errors?: FieldFault[]
  /** Headers of the response, such as `Allow`; a list is sent as one line for each value. */
  headers?: Record<string, string | string[]>
  /** The cause: logged, never shown. */
  cause?: unknown
  /** Overrides the value of the code. */
  retryable?: boolean
  /** 'unknown': the request may have taken effect, so it must not be reported as failed. Default: 'none'. */
  effect?: 'none' | 'unknown'
}

/**
 * A refusal or an outage. `problems` and `idempotency` turn it into a problem document (RFC 9457).
 *
 * @example throw new ServiceError('validation_failed', 'The room is taken.')
 */
export class ServiceError extends Error {
  readonly code: ProblemCode
  readonly status: number
  readonly retryAfterMs: number | undefined
  readonly errors: FieldFault[] | undefined
  readonly headers: Record<string, string | string[]>
  readonly retryable: boolean | undefined
  readonly effect: 'none' | 'unknown'

  /** `detail` is shown to the client: plain words, no internals, no secrets. */
  constructor(code: ProblemCode, detail: string, extras: Extras = {}) {
    const { stackTraceLimit } = Error
    // A refusal is not a defect and needs no stack trace, which would cost more than the refusal.
    if (PROBLEMS[code].status < 500) Error.stackTraceLimit = 0
    super(detail, { cause: extras.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'ServiceError'
    this.code = code
    this.status = PROBLEMS[code].status
    this.retryAfterMs = extras.retryAfterMs
    this.errors = extras.errors
    this.headers = extras.headers ?? {}
    this.retryable = extras.retryable
    this.effect = extras.effect ?? 'none'
  }
}

/** The error for a key of another request; all rooms use the same text. */
export function keyReused(): ServiceError {
  return new ServiceError(
    'idempotency_key_reused',
    'This key belongs to an earlier request with another method, target or body, and that request may have taken effect. To retry it, send its bytes again as they were. Only a new request gets a new key.',
  )
}
