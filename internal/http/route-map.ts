import Router from '@koa/router'
import { type Composed, compose, fork, middleware } from '../core/compose.ts'
import type { Middleware, MiddlewareContext, RequestState } from '../core/request-state.ts'

/** A route with its middlewares. */
export interface ServedRoute {
  method: 'GET' | 'POST' | 'DELETE'
  /** The pattern, with `:name` for each parameter. */
  path: string
  middlewares: readonly Middleware[]
}

/** Finds routes by method and path in a map. Only paths with parameters or unusual spellings use the router. */
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

  /** Runs the route with exactly this method and path, or else the next middleware. */
  exact(): Middleware {
    return fork(({ req: { method = '', url = '' } }) => {
      const query = url.indexOf('?')
      return this.#exact.get(method)?.get(query < 0 ? url : url.slice(0, query))
    })
  }

  /** Comes after `exact`: routes with parameters, other spellings of a path, HEAD. */
  patterns() {
    return this.#router.routes()
  }

  /** Comes after `patterns`: 405 with `Allow` if the path has routes for other methods. */
  allowedMethods() {
    return this.#router.allowedMethods()
  }
}

/** Sets the pattern of the route, which metrics and the log use as its name. */
function found(path: string): Middleware {
  return middleware(function found(ctx) {
    ctx.state.route = path
    return undefined
  })
}

/** The pattern of the matched route, or `unmatched`. A fixed set, which bounds the number of metrics. */
export function routeFound(ctx: MiddlewareContext): string {
  return ctx.state.route ?? 'unmatched'
}
