import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { middleware } from '../core/compose.ts'
import type { Middleware, MiddlewareContext } from '../core/request-state.ts'

/** A caller's own id is taken if it cannot do harm in a log line or a header. */
const ACCEPTED = /^[\w.-]{1,64}$/

/**
 * Every response carries `X-Request-Id`: the caller's, or a new one.
 *
 * @example app.use(requestId())
 */
export function requestId(): Middleware {
  return middleware(function requestId(ctx) {
    nameRequest(ctx)
  })
}

/** Leaves the id in `ctx.state.requestId` and in the header. */
export function nameRequest(ctx: MiddlewareContext): void {
  const id = requestIdOf(ctx.req)
  ctx.state.requestId = id
  ctx.res.setHeader('X-Request-Id', id)
}

export function requestIdOf(req: IncomingMessage): string {
  const given = req.headers['x-request-id']
  return typeof given === 'string' && ACCEPTED.test(given) ? given : randomUUID()
}
