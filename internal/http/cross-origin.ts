import type { IncomingMessage } from 'node:http'
import type { Middleware } from '../core/request-state.ts'

/** The response headers that a page of an allowed origin may read (Fetch, "CORS protocol"). */
export const EXPOSED = [
  'Idempotent-Replayed',
  'Retry-After',
  'X-Request-Id',
  'Location',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'RateLimit',
  'RateLimit-Policy',
  'Deprecation',
  'X-Secret-Expires',
].join(', ')
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
/** The most that browsers use: Chromium caches a preflight response for at most two hours. */
const PREFLIGHT_AGE_S = 7_200
/** A list of header names, as browsers send it. */
const HEADER_LIST = /^[\w-]+(?:, *[\w-]+){0,99}$/

export interface CrossOriginOptions {
  /** Allowed origins as browsers send them: scheme, host and port. */
  origins: ReadonlySet<string>
  /** Whether pages may send cookies. */
  credentials: boolean
}

/** The CORS headers of a response; empty if the request has no allowed origin. */
export function crossOriginHeaders(
  { headers: { origin } }: IncomingMessage,
  { origins, credentials }: CrossOriginOptions,
): Record<string, string> {
  const headers: Record<string, string> = {}
  if (origin === undefined || !origins.has(origin)) return headers
  headers['Access-Control-Allow-Origin'] = origin
  headers['Access-Control-Expose-Headers'] = EXPOSED
  if (credentials) headers['Access-Control-Allow-Credentials'] = 'true'
  return headers
}

/** The headers of the response to a preflight request of an allowed origin; undefined for other requests. */
export function preflightHeaders(
  req: IncomingMessage,
  options: CrossOriginOptions,
): Record<string, string> | undefined {
  const {
    origin,
    'access-control-request-method': method,
    'access-control-request-headers': names,
  } = req.headers
  if (req.method !== 'OPTIONS' || method === undefined) return undefined
  if (origin === undefined || !options.origins.has(origin)) return undefined
  const headers = crossOriginHeaders(req, options)
  headers['Access-Control-Allow-Methods'] = METHODS
  if (names !== undefined && HEADER_LIST.test(names)) headers['Access-Control-Allow-Headers'] = names
  headers['Access-Control-Max-Age'] = String(PREFLIGHT_AGE_S)
  return headers
}

/** Allows pages of the given origins to read all responses, also refusals, and responds to their preflight requests. */
export function crossOrigin(options: CrossOriginOptions): Middleware {
  return async function crossOrigin(ctx, next) {
    ctx.vary('Origin')
    const preflight = preflightHeaders(ctx.req, options)
    if (preflight === undefined) {
      ctx.set(crossOriginHeaders(ctx.req, options))
      await next()
      return
    }
    ctx.set(preflight)
    ctx.status = 204
  }
}
