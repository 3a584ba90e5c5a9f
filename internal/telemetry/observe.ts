import { performance } from 'node:perf_hooks'
import type { Stage, StageContext } from '../request-state.ts'
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
  return async function observe(ctx, next) {
    const startedMs = performance.now()
    metrics.requestsUnderWay.inc()
    try {
      await next()
    } finally {
      metrics.requestsUnderWay.dec()
      const durationMs = performance.now() - startedMs
      const route = routeOf(ctx)
      const method = METHODS.has(ctx.method) ? ctx.method : 'other'
      metrics.requestDuration.observe({ method, route, status: ctx.status }, durationMs / 1000)
      if (logger.isLevelEnabled('info')) {
        logger.info(
          {
            request_id: ctx.state.requestId,
            trace_id: ctx.state.trace?.traceId,
            span_id: ctx.state.trace?.spanId,
            client: ctx.state.caller?.client,
            method,
            route,
            path: (ctx.req.url ?? '').split('?', 1)[0]?.slice(0, MAX_PATH),
            status: ctx.status,
            duration_ms: Math.round(durationMs * 100) / 100,
          },
          'request',
        )
      }
    }
  }
}
