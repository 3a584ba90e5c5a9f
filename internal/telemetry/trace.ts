import type { IncomingMessage } from 'node:http'
import { middleware } from '../core/compose.ts'
import type { Middleware, MiddlewareContext, Trace } from '../core/request-state.ts'
import type { Spans } from './spans.ts'
import { parseTraceContext, type Received, unrecordedTrace } from './trace-context.ts'

export interface TraceOptions {
  /** undefined: no span is recorded. */
  spans: Spans | undefined
  /** The pattern that matched, from a fixed set. */
  routeOf: (ctx: MiddlewareContext) => string
}

/** Probes and scrapes come every few seconds: their spans would outnumber all others. */
const NOT_RECORDED = new Set(['/livez', '/readyz', '/health', '/metrics'])

/** Sets `ctx.state.trace`: the trace of the request, or a new one. */
export function trace({ spans, routeOf }: TraceOptions): Middleware {
  if (spans === undefined) {
    return middleware(function trace(ctx) {
      ctx.state.trace = traceOf(ctx.req)
    })
  }
  return async function trace(ctx, next) {
    const received = receivedBy(ctx.req)
    if (NOT_RECORDED.has(ctx.path)) {
      ctx.state.trace = unrecordedTrace(received)
      await next()
      return
    }
    await spans.request(received, async (own) => {
      ctx.state.trace = own
      await next()
      const { method, status } = ctx
      return { method, route: routeOf(ctx), status, requestId: ctx.state.requestId }
    })
  }
}

/** The trace of a request of which no span is recorded. */
export function traceOf(req: IncomingMessage): Trace {
  return unrecordedTrace(receivedBy(req))
}

function receivedBy({ headers }: IncomingMessage): Received | undefined {
  const { traceparent, tracestate } = headers
  return parseTraceContext(
    typeof traceparent === 'string' ? traceparent : undefined,
    typeof tracestate === 'string' ? tracestate : undefined,
  )
}
