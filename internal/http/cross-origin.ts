import type { IncomingMessage } from 'node:http'
import type { Middleware } from '../core/request-state.ts'

/** What a page of another origin may read of a response besides its body and its status (Fetch, "CORS protocol"). */
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
/** Longer than browsers keep the response to a preflight: Chromium two hours. */
const PREFLIGHT_AGE_S = 7_200
/** Names of headers, as a browser lists them. */
const HEADER_LIST = /^[\w-]+(?:, *[\w-]+){0,99}$/

export interface CrossOriginOptions {
  /** As browsers send them: scheme, host and port. */
  origins: ReadonlySet<string>
  /** Pages may send cookies. */
  credentials: boolean
}

/** The headers of a response that the page which asked may read, whatever its origin; of others it is only told apart. */
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

/** The response to the preflight of a page of an allowed origin; undefined: it is another request. */
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

/** Lets pages of the given origins read all responses, also refusals, and responds to their preflights. */
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
