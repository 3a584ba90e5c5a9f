import { performance } from 'node:perf_hooks'
import type { Stage, StageContext, Trace } from '../request-state.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** Methods that get a label of their own; anything else a client thinks up is `other`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Paths in the log are cut: a client could send 16 KiB of them on every request. */
const MAX_PATH = 200

/**
 * One log line and one observation for each request. `routeOf` gives the pattern that matched, from a fixed set.
 * Neither header values nor bodies nor queries are logged.
 */
export function observe(metrics: Metrics, logger: Logger, routeOf: (ctx: StageContext) => string): Stage {
  const observed = observer(metrics, logger)
  return async function observe(ctx, next) {
    const done = observed()
    try {
      await next()
    } finally {
      const { method, status, req, state } = ctx
      const client = state.caller?.client
      done({
        requestId: state.requestId,
        trace: state.trace,
        client,
        method,
        route: routeOf(ctx),
        target: req.url,
        status,
      })
    }
  }
}

export interface Observation {
  requestId: string | undefined
  trace: Trace | undefined
  client?: string | undefined
  method: string
  /** From a fixed set. */
  route: string
  /** As it came; only the path of it is logged. */
  target: string | undefined
  status: number
}

/** The same for requests that reach no stage: call it when one begins, and what it returns when the request ends. */
export function observer(metrics: Metrics, logger: Logger): () => (seen: Observation) => void {
  return () => {
    const startedMs = performance.now()
    metrics.underWay.requests++
    return ({ requestId, trace, client, method: sent, route, target = '', status }) => {
      metrics.underWay.requests--
      const durationMs = performance.now() - startedMs
      const method = METHODS.has(sent) ? sent : 'other'
      metrics.requestDuration.add({ method, route, status }, durationMs / 1000)
      logger.request({
        requestId,
        traceId: trace?.traceId,
        spanId: trace?.spanId,
        client,
        method,
        route,
        path: pathOf(target),
        status,
        durationMs: Math.round(durationMs * 100) / 100,
      })
    }
  }
}

function pathOf(target: string): string {
  const end = target.indexOf('?')
  return target.slice(0, end < 0 ? MAX_PATH : Math.min(end, MAX_PATH))
}
