import { STATUS_CODES } from 'node:http'

/** What `ctx.throw()` and `ctx.assert()` of Koa throw, and http-errors makes: the response is meant, it is no defect. */
export interface HttpError extends Error {
  status: number
  /** Whether its text is for the client. */
  expose: boolean
  headers?: Record<string, string | string[]>
}

/**
 * Errors of HTTP clients have a `status`, too, that of another response: they have no `expose`. 500 is what any defect
 * gets.
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
