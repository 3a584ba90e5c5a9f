import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { middleware } from '../core/compose.ts'
import type { Middleware, MiddlewareContext } from '../core/request-state.ts'

/** The ids of clients that are accepted: safe in log lines and headers. */
const ACCEPTED = /^[\w.-]{1,64}$/

/**
 * Sets `ctx.state.requestId` and the response header `X-Request-Id`: the client's id if it is valid, or a new UUID.
 *
 * @example app.use(requestId())
 */
export function requestId(): Middleware {
  return middleware(function requestId(ctx) {
    nameRequest(ctx)
  })
}

/** Sets the id in `ctx.state.requestId` and in the response header. */
export function nameRequest(ctx: MiddlewareContext): void {
  const id = requestIdOf(ctx.req)
  ctx.state.requestId = id
  ctx.res.setHeader('X-Request-Id', id)
}

export function requestIdOf(req: IncomingMessage): string {
  const given = req.headers['x-request-id']
  return typeof given === 'string' && ACCEPTED.test(given) ? given : randomUUID()
}
