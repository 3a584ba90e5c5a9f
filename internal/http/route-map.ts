import Router from '@koa/router'
import { type Composed, compose, fork, middleware } from '../core/compose.ts'
import type { Middleware, MiddlewareContext, RequestState } from '../core/request-state.ts'

/** A route with everything that a request for it passes. */
export interface ServedRoute {
  method: 'GET' | 'POST' | 'DELETE'
  /** With `:name` for each parameter. */
  path: string
  middlewares: readonly Middleware[]
}

/** Finds a route by method and path in a map; only paths with parameters or unusual spellings go through the router. */
export class RouteMap {
  readonly #exact = new Map<string, Map<string, Composed>>()
  readonly #router = new Router<RequestState>()

  constructor(routes: readonly ServedRoute[]) {
    for (const { method, path, middlewares } of routes) {
      const middleware = compose([found(path), ...middlewares])
      if (method === 'GET') this.#router.get(path, middleware)
      else if (method === 'POST') this.#router.post(path, middleware)
      else this.#router.delete(path, middleware)
      if (path.includes(':')) continue
      const paths = this.#exact.get(method) ?? new Map<string, Composed>()
      this.#exact.set(method, paths.set(path, middleware))
    }
  }

  /** Runs the route with this method and path, or what follows. */
  exact(): Middleware {
    return fork(({ req: { method = '', url = '' } }) => {
      const query = url.indexOf('?')
      return this.#exact.get(method)?.get(query < 0 ? url : url.slice(0, query))
    })
  }

  /** Behind `exact`: the routes with parameters, other spellings of a path, HEAD. */
  patterns() {
    return this.#router.routes()
  }

  /** Behind `patterns`: 405 with `Allow` where a path has routes, but not with this method. */
  allowedMethods() {
    return this.#router.allowedMethods()
  }
}

/** Metrics and the log name requests by the pattern of their route. */
function found(path: string): Middleware {
  return middleware(function found(ctx) {
    ctx.state.route = path
    return undefined
  })
}

/** The pattern of the route that was found: one of a fixed set, so that metrics stay few. */
export function routeFound(ctx: MiddlewareContext): string {
  return ctx.state.route ?? 'unmatched'
}
