import type { Stage, StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import type { Outcome } from './node-report.ts'
import type { Traffic } from './traffic.ts'

/** Counts what comes behind it. `routeOf` gives the pattern that matched, from a fixed set. */
export function watchTraffic(traffic: Traffic, routeOf: (ctx: StageContext) => string): Stage {
  return async function watchTraffic(ctx, next) {
    const request = traffic.begin(() => {
      const { caller, attempt } = ctx.state
      if (caller === undefined || attempt === undefined) return undefined
      const { key, number } = attempt
      return { client: caller.client, scope: `${ctx.method} ${routeOf(ctx)}`, key, attempt: number }
    })
    let outcome: Outcome = 'failed'
    try {
      await next()
      outcome = outcomeOf(ctx)
    } catch (error) {
      if (error instanceof ServiceError) outcome = ofProblem(error.status)
      throw error
    } finally {
      traffic.end(request, outcome, ctx.state.caller?.client)
    }
  }
}

function outcomeOf(ctx: StageContext): Outcome {
  if (ctx.res.hasHeader('Idempotent-Replayed')) return 'replayed'
  // An answer of the handler, such as a declined payment, is no refusal.
  return ctx.state.problem === undefined && ctx.status < 500 && ctx.status !== 404
    ? 'answered'
    : ofProblem(ctx.status)
}

function ofProblem(status: number): Outcome {
  if (status === 409) return 'conflict'
  if (status === 429) return 'limited'
  return status >= 500 ? 'failed' : 'refused'
}
