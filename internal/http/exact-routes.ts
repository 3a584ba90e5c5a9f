import type { Stage } from '../request-state.ts'
import { inTurn } from '../stages.ts'

/**
 * Routes that are nothing but a method and a path, found by one look-up: for those that are asked for all the time. What
 * has a query or another spelling goes on to the router, which tries all of its routes one by one; it has them too.
 */
export class ExactRoutes {
  readonly #routes = new Map<string, { path: string; stage: Stage }>()

  add(method: string, path: string, stages: readonly Stage[]): void {
    this.#routes.set(`${method} ${path}`, { path, stage: inTurn(stages) })
  }

  stage(): Stage {
    return (ctx, next) => {
      const route = this.#routes.get(`${ctx.req.method} ${ctx.req.url}`)
      if (route === undefined) return next()
      // As the router leaves it.
      ctx._matchedRoute = route.path
      return route.stage(ctx, next)
    }
  }
}
