import { type MiddlewareContext, required } from './request-state.ts'

/** The request body, parsed by `jsonBody`. */
export function requestJson(ctx: MiddlewareContext): unknown {
  return required(ctx, 'json', 'jsonBody').value
}

/** Responds with this object. */
export function respondJson(ctx: MiddlewareContext, value: object): void {
  ctx.set('Content-Type', 'application/json; charset=utf-8')
  ctx.body = JSON.stringify(value)
}
