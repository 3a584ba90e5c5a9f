import type { Middleware, MiddlewareContext } from '../../internal/core/request-state.ts'
import {
  type CrossOriginOptions,
  crossOriginHeaders,
  EXPOSED,
  preflightHeaders,
} from '../../internal/http/cross-origin.ts'

/**
 * Lets pages of the given origins read the problem documents of the sidecar, and responds to their preflights. Headers of
 * the backend stay; a replay also exposes that it is one, to the page that asked.
 */
export function ownCrossOrigin(options: CrossOriginOptions): Middleware {
  return async function ownCrossOrigin(ctx, next) {
    const preflight = preflightHeaders(ctx.req, options)
    if (preflight !== undefined) {
      ctx.vary('Origin')
      ctx.set(preflight)
      ctx.status = 204
      return
    }
    await next()
    if (ctx.state.problem !== undefined) {
      ctx.vary('Origin')
      ctx.set(crossOriginHeaders(ctx.req, options))
    } else if (ctx.res.getHeader('Idempotent-Replayed') === 'true') forThisPage(ctx, options)
  }
}

function forThisPage({ res, req }: MiddlewareContext, options: CrossOriginOptions): void {
  const allowed = res.getHeader('Access-Control-Allow-Origin')
  const { origin } = req.headers
  if (allowed === undefined || origin === undefined || !options.origins.has(origin)) return
  // It names the page of the first request.
  if (allowed !== '*') res.setHeader('Access-Control-Allow-Origin', origin)
  const exposed = res.getHeader('Access-Control-Expose-Headers')
  res.setHeader(
    'Access-Control-Expose-Headers',
    exposed === undefined ? EXPOSED : `${String(exposed)}, ${EXPOSED}`,
  )
}
