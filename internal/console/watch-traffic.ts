import { middleware } from '../core/compose.ts'
import type { Middleware, MiddlewareContext } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import type { Outcome } from './node-report.ts'
import type { Traffic } from './traffic.ts'

/** Counts requests. `scopeOf`: the scope of a key, such as `POST /orders`. */
export function watchTraffic(traffic: Traffic, scopeOf: (ctx: MiddlewareContext) => string): Middleware {
  return middleware(
    function watchTraffic(ctx) {
      traffic.begin(ctx, () => {
        const { caller, attempt } = ctx.state
        if (caller === undefined || attempt === undefined) return undefined
        const { key, number } = attempt
        return { client: caller.client, scope: scopeOf(ctx), key, attempt: number }
      })
      return undefined
    },
    function watched(ctx, thrown) {
      traffic.end(ctx, trafficOutcome(ctx, thrown), ctx.state.caller?.client)
      return thrown
    },
  )
}

function trafficOutcome(ctx: MiddlewareContext, thrown: unknown): Outcome {
  if (thrown !== undefined) return thrown instanceof ServiceError ? ofProblem(thrown.status) : 'failed'
  if (ctx.res.hasHeader('Idempotent-Replayed')) return 'replayed'
  return ctx.state.problem === undefined ? ofResponse(ctx.status) : ofProblem(ctx.status)
}

/** For responses of a handler or backend, such as a declined payment, which are no refusals. */
export function ofResponse(status: number): Outcome {
  return status < 500 && status !== 404 ? 'answered' : ofProblem(status)
}

function ofProblem(status: number): Outcome {
  if (status === 409) return 'conflict'
  if (status === 429) return 'limited'
  return status >= 500 ? 'failed' : 'refused'
}
