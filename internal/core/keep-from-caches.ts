import type { MiddlewareContext } from './request-state.ts'

/**
 * Forbids caching of a response that belongs to a caller. A cache does not know signatures and could otherwise give a
 * response of GET to another caller. A backend of the sidecar may override it.
 */
export function keepFromCaches(ctx: MiddlewareContext): void {
  ctx.res.setHeader('Cache-Control', 'no-store')
}
