import { performance } from 'node:perf_hooks'
import { middleware } from '../core/compose.ts'
import type { Middleware, MiddlewareContext, Trace } from '../core/request-state.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** Methods with a label of their own; others are `other`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Longer paths are cut: a client could send 16 KiB with every request. */
const MAX_PATH = 200
/** The longest key that is valid. */
const MAX_KEY = 255

/** One log line and one observation for each request. Of headers, body and query only the idempotency key is logged. */
export function observe(
  metrics: Metrics,
  logger: Logger,
  routeOf: (ctx: MiddlewareContext) => string,
): Middleware {
  const { begin, end } = observer(metrics, logger)
  return middleware(
    function observe({ state }) {
      state.startedMs = begin()
      return undefined
    },
    function observed(ctx, thrown) {
      const { method, status, req, state } = ctx
      end(state.startedMs ?? Number.NaN, {
        requestId: state.requestId,
        trace: state.trace,
        client: state.caller?.client,
        key: keyOf(ctx),
        method,
        route: routeOf(ctx),
        target: req.url,
        status,
      })
      return thrown
    },
  )
}

/** A key in the body is known after its claim. */
function keyOf({ req: { headers }, state }: MiddlewareContext): string | undefined {
  const key = state.attempt?.key ?? headers['idempotency-key'] ?? headers['x-idempotency-key']
  return (Array.isArray(key) ? key[0] : key)?.slice(0, MAX_KEY)
}

export interface RequestObservation {
  requestId: string | undefined
  trace: Trace | undefined
  client?: string | undefined
  key?: string | undefined
  method: string
  /** From a fixed set. */
  route: string
  /** As it came; only the path of it is logged. */
  target: string | undefined
  status: number
}

export interface Observer {
  /** To be called at the beginning of a request: returns its time. */
  begin: () => number
  end: (startedMs: number, seen: RequestObservation) => void
}

/** The same for requests that reach no middleware. */
export function observer(metrics: Metrics, logger: Logger): Observer {
  return {
    begin() {
      metrics.inFlight.requests++
      return performance.now()
    },
    end(startedMs, { requestId, trace, client, key, method: sent, route, target = '', status }) {
      metrics.inFlight.requests--
      const durationMs = performance.now() - startedMs
      const method = METHODS.has(sent) ? sent : 'other'
      metrics.requestDuration.add({ method, route, status }, durationMs / 1000)
      logger.request({
        requestId,
        traceId: trace?.traceId,
        spanId: trace?.spanId,
        client,
        key,
        method,
        route,
        path: pathOf(target),
        status,
        durationMs: Math.round(durationMs * 100) / 100,
      })
    },
  }
}

function pathOf(target: string): string {
  const end = target.indexOf('?')
  return target.slice(0, end < 0 ? MAX_PATH : Math.min(end, MAX_PATH))
}
