import { STATUS_CODES } from 'node:http'

/** An error of `ctx.throw()` or `ctx.assert()` of Koa, or of http-errors: an intended response and not a defect. */
export interface HttpError extends Error {
  status: number
  /** Whether its message may be shown to the client. */
  expose: boolean
  headers?: Record<string, string | string[]>
}

/**
 * Whether it is an HttpError. Errors of HTTP clients also have a `status`, of another response, but no `expose`. A status
 * of 500 counts as a defect.
 */
export function isHttpError(error: unknown): error is HttpError {
  return (
    error instanceof Error &&
    'expose' in error &&
    typeof error.expose === 'boolean' &&
    'status' in error &&
    typeof error.status === 'number' &&
    error.status >= 400 &&
    error.status !== 500 &&
    error.status in STATUS_CODES
  )
}
