import type { MiddlewareContext } from './request-state.ts'

/**
 * For responses that belong to a caller: no cache in between may give them to another one. A cache knows nothing of
 * signatures, and without this it keeps the responses to GET. A backend behind the sidecar may say otherwise.
 */
export function keepFromCaches(ctx: MiddlewareContext): void {
  ctx.res.setHeader('Cache-Control', 'no-store')
}
