import { type MiddlewareContext, required } from './request-state.ts'

/** The body of the request as `jsonBody` has parsed it. */
export function requestJson(ctx: MiddlewareContext): unknown {
  return required(ctx, 'json', 'jsonBody').value
}

/** Responds with this object. */
export function respondJson(ctx: MiddlewareContext, value: object): void {
  ctx.set('Content-Type', 'application/json; charset=utf-8')
  ctx.body = JSON.stringify(value)
}
