import type { IncomingMessage, ServerResponse } from 'node:http'

/** A complete call. */
export interface Call {
  method: string
  path: string
  query: URLSearchParams
  key: string | undefined
  response: ServerResponse
}

/** A mistake of the caller, responded with 400: nothing was run. */
export class CallError extends Error {}

/** Throws CallError for an invalid target or key. */
export function readCall(request: IncomingMessage, response: ServerResponse): Call {
  const { method = 'GET', url = '/' } = request
  const [path = '/'] = url.split('?', 1)
  return {
    method,
    path,
    query: new URLSearchParams(url.slice(path.length + 1)),
    key: readKey(request),
    response,
  }
}

/** The value of Idempotency-Key or X-Idempotency-Key; "abc" (RFC 9651) and abc are the same key. */
function readKey({ headers }: IncomingMessage): string | undefined {
  const sent = headers['idempotency-key'] ?? headers['x-idempotency-key']
  const [text] = [sent].flat()
  if (text === undefined || text === '') return undefined
  const [, quoted] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text) ?? []
  return quoted === undefined ? text : quoted.replace(/\\(["\\])/g, '$1')
}

/** A whole number of the query. Throws CallError for an invalid one. */
export function numberOf(
  query: URLSearchParams,
  name: string,
  fallback: number,
  max: number,
  min = 0,
): number {
  const text = query.get(name)
  if (text === null) return fallback
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max))
    throw new CallError(`${name} must be a whole number from ${min} to ${max}`)
  return value
}
