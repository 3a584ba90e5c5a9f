import { ServiceError } from '../core/service-error.ts'

/** The outcome of a request to the backend; the label of its metric. */
export type UpstreamOutcome = '1xx' | '2xx' | '3xx' | '4xx' | '5xx' | UpstreamFault | 'left'

/**
 * unreachable: nothing was sent; after all others the backend may have acted. timeout: too late; lost: before the
 * response, truncated: within it; malformed: no valid HTTP.
 */
export type UpstreamFault = 'unreachable' | 'timeout' | 'lost' | 'truncated' | 'malformed'

export function statusClass(status: number): UpstreamOutcome {
  if (status < 200) return '1xx'
  if (status < 300) return '2xx'
  if (status < 400) return '3xx'
  return status < 500 ? '4xx' : '5xx'
}

/** `sent`: undici had begun to write the request. `answering`: there was a status. */
export function faultOf(error: unknown, sent: boolean, answering: boolean): UpstreamFault {
  if (!sent) return 'unreachable'
  const { name, message } = error instanceof Error ? error : { name: '', message: '' }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT' || code === WATCHDOG)
    return 'timeout'
  // Also of a head with two lengths, of which undici makes one.
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return answering ? 'truncated' : 'malformed'
  // Errors of the parser have no code. One is the end of the connection within a chunked body.
  if (name === 'HTTPParserError') return message.includes('EOF') ? 'truncated' : 'malformed'
  if (code.startsWith('HPE_') || code === 'ERR_INVALID_CHAR' || code === 'UND_ERR_HEADERS_OVERFLOW')
    return 'malformed'
  // A 101 that was not asked for.
  if (message === 'bad upgrade') return 'malformed'
  return answering ? 'truncated' : 'lost'
}

/** The code of the timeout of a whole request. */
export const WATCHDOG = 'ERR_MAX_DURATION'

/** The name in the log and in the record of the key. */
export const REASONS = {
  timeout: 'backend_timeout',
  lost: 'connection_lost',
  truncated: 'answer_truncated',
  malformed: 'answer_malformed',
} as const satisfies Record<Exclude<UpstreamFault, 'unreachable'>, string>

const WHAT: Record<UpstreamFault, string> = {
  unreachable: 'The backend cannot be reached. Nothing was sent to it.',
  timeout: 'The backend did not respond in time.',
  lost: 'The connection to the backend was lost before it responded.',
  truncated: 'The connection to the backend was lost within its response.',
  malformed: 'The backend did not respond in valid HTTP.',
}

/** After this long a backend that is being restarted is often back. */
const RETRY_MS = 1_000

/** The request that failed. */
export interface FailedRequest {
  method: string
  /** It may be sent again with its key: the failure frees it, or the backend knows it. */
  keyed: boolean
}

/** As RFC 9110, 9.2.2, has them: sent twice, they have the effect of one. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** The problem for a request without a key, or with one that the failure frees. */
export function unreachable(
  fault: UpstreamFault,
  cause: unknown,
  { method, keyed }: FailedRequest,
): ServiceError {
  if (cause instanceof Error && 'code' in cause && cause.code === 'UND_ERR_INVALID_ARG') {
    return new ServiceError('invalid_request', 'The request has a header that cannot be passed on.', {
      cause,
    })
  }
  if (fault === 'unreachable')
    return new ServiceError('backend_unreachable', WHAT[fault], { cause, retryAfterMs: RETRY_MS })
  const code = fault === 'timeout' ? 'backend_timeout' : 'backend_unreachable'
  if (keyed || IDEMPOTENT.has(method))
    return new ServiceError(code, WHAT[fault], { effect: 'unknown', cause })
  const detail = `${WHAT[fault]} The request may have taken effect, and it has no idempotency key: find out before you send it again.`
  return new ServiceError(code, detail, { effect: 'unknown', retryable: false, cause })
}

/** The problem for a request whose key is held, since it is unknown whether it took effect. */
export function unknownOutcome(fault: Exclude<UpstreamFault, 'unreachable'>, cause: unknown): ServiceError {
  const detail = `${WHAT[fault]} It is not known whether the request took effect; it is not sent again until that is known.`
  return new ServiceError(fault === 'timeout' ? 'backend_timeout' : 'outcome_unknown', detail, {
    effect: 'unknown',
    cause,
  })
}
