import type { IncomingMessage } from 'node:http'
import type { Stage } from '../request-state.ts'
import { type ProblemCode, ServiceError } from '../service-error.ts'

/** Real partners send about fifteen. */
const MAX_HEADERS = 100

/** Headers that must not come twice: two parties could each go by another one. */
const SINGLE: Record<string, ProblemCode | undefined> = {
  host: 'invalid_request',
  'content-type': 'invalid_request',
  'content-encoding': 'invalid_request',
  'idempotency-key': 'idempotency_key_invalid',
}

/**
 * Refuses what Node's parser lets through and what would mean different things to different readers: other request
 * targets than a path, a missing or second Host, more transfer codings than chunked, very many headers.
 */
export function guard(): Stage {
  return async function guard(ctx, next) {
    checkTarget(ctx.req)
    checkHeaders(ctx.req)
    await next()
  }
}

function checkTarget(req: IncomingMessage): void {
  const target = req.url ?? ''
  // An absolute target, or one that begins with //, names a host of its own; a fragment never comes over the wire.
  if (target.startsWith('/') && !target.startsWith('//') && !target.includes('#')) return
  throw new ServiceError('invalid_request', 'The request target must be a path that begins with one slash.')
}

function checkHeaders(req: IncomingMessage): void {
  const { rawHeaders, headers } = req
  if (rawHeaders.length / 2 > MAX_HEADERS) {
    throw new ServiceError('headers_too_large', `The request has more than ${MAX_HEADERS} headers.`)
  }
  const seen = new Set<string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase()
    const code = SINGLE[name]
    if (code === undefined) continue
    if (seen.has(name)) throw new ServiceError(code, `The header ${name} came more than once.`)
    seen.add(name)
  }
  if (!seen.has('host') && req.httpVersion !== '1.0') {
    throw new ServiceError('invalid_request', 'The Host header is missing.')
  }
  const codings = headers['transfer-encoding']
  if (codings !== undefined && (codings.toLowerCase() !== 'chunked' || req.httpVersion === '1.0')) {
    throw new ServiceError('invalid_request', 'The only transfer coding taken is chunked, with HTTP/1.1.', {
      // Where the body ends is open to doubt: nothing more is read from this connection.
      headers: { Connection: 'close' },
    })
  }
}

/** The answers are JSON: refuses a caller who says that it takes none. */
export function acceptJson(): Stage {
  return async function acceptJson(ctx, next) {
    if (ctx.req.headers.accept !== undefined && ctx.accepts('application/json') === false) {
      throw new ServiceError('not_acceptable', 'The answers are application/json; see Accept.')
    }
    await next()
  }
}
