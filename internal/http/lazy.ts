import type { Middleware } from '../core/request-state.ts'

/** Middleware whose code is loaded with the first request for it: what few people ask for costs the others nothing. */
export function lazy(load: () => Promise<Middleware>): Middleware {
  let loaded: Promise<Middleware> | undefined
  return async function lazy(ctx, next) {
    loaded ??= load().catch((error: unknown) => {
      loaded = undefined
      throw error
    })
    const middleware = await loaded
    await middleware(ctx, next)
  }
}
