import { PROBLEMS, type ServiceError } from './service-error.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** An RFC 9457 problem document as text. */
export function problemJson(error: ServiceError, requestId: string): string {
  const entry: { title: string; retryable?: boolean } = PROBLEMS[error.code]
  const retryable = error.retryable ?? entry.retryable
  // JSON.stringify leaves out undefined members.
  return JSON.stringify({
    type: `/problems/${error.code}`,
    title: entry.title,
    status: error.status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
    retryable,
    retry_after_ms: error.retryAfterMs === undefined ? undefined : Math.ceil(error.retryAfterMs),
    errors: error.errors,
  })
}
