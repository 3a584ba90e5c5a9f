import type { IncomingMessage } from 'node:http'
import { middleware } from '../core/compose.ts'
import { trimOws } from '../core/header-values.ts'
import { randomHex } from '../core/ids.ts'
import type { Middleware, MiddlewareContext, Trace } from '../core/request-state.ts'
import type { Spans } from './spans.ts'

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

/** The trace of the caller and its span, as in W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context-1/). */
export interface Received {
  traceId: string
  parentSpanId: string
  sampled: boolean
  tracestate?: string
}

/** Version, trace, parent, flags. Later versions may add to it; version ff and ids of zeros are invalid. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/
/** Of version 00, whole. */
const LENGTH = 55
const SAMPLED = 1

const SIMPLE_KEY = '[a-z][a-z0-9_\\-*/]{0,255}'
const TENANT_KEY = '[a-z0-9][a-z0-9_\\-*/]{0,240}@[a-z][a-z0-9_\\-*/]{0,13}'
/** Printable ASCII without comma and equals sign, and no space at the end. */
const MEMBER = new RegExp(`^(${SIMPLE_KEY}|${TENANT_KEY})=[ -+\\--<>-~]{0,255}[!-+\\--<>-~]$`)
const MAX_MEMBERS = 32

/**
 * undefined: there is none, or it is malformed; then a new trace begins, and `tracestate` counts for nothing. Headers
 * sent twice arrive joined by a comma, as Node does it: two `traceparent` are malformed, two `tracestate` are one list.
 */
export function parseTraceContext(
  traceparent: string | undefined,
  tracestate: string | undefined,
): Received | undefined {
  if (traceparent === undefined) return undefined
  if (!TRACEPARENT.test(traceparent)) return undefined
  if (traceparent.length > LENGTH && traceparent.startsWith('00')) return undefined
  const received: Received = {
    traceId: traceparent.slice(3, 35),
    parentSpanId: traceparent.slice(36, 52),
    sampled: (Number.parseInt(traceparent.slice(53, LENGTH), 16) & SAMPLED) === SAMPLED,
  }
  if (tracestate !== undefined && isTracestate(tracestate)) received.tracestate = tracestate
  return received
}

/** An invalid list is dropped as a whole. */
function isTracestate(text: string): boolean {
  const members = text
    .split(',')
    .map(trimOws)
    .filter((member) => member !== '')
  const keys = new Set(members.map((member) => member.split('=', 1)[0]))
  return (
    members.length > 0 &&
    members.length <= MAX_MEMBERS &&
    keys.size === members.length &&
    members.every((member) => MEMBER.test(member))
  )
}

/** The trace of a request without a recorded span: that of the caller, or a new one that is not sampled. */
export function unrecordedTrace(received: Received | undefined): Trace {
  const spanId = randomId(8)
  return received === undefined
    ? { traceId: randomId(16), spanId, sampled: false, recorded: false }
    : Object.assign(received, { spanId, recorded: false })
}

/** Headers, by their names. */
type OutgoingTrace = { traceparent: string; tracestate?: string }

/** The headers for our own requests. Without a recorded span of ours the parent is that of the caller. */
export function outgoingTrace(trace: Trace): OutgoingTrace {
  const { traceId, tracestate } = trace
  const parent = trace.recorded ? trace.spanId : (trace.parentSpanId ?? trace.spanId)
  const traceparent = `00-${traceId}-${parent}-${trace.sampled ? '01' : '00'}`
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate }
}

/** An id of zeros is invalid. */
function randomId(bytes: number): string {
  for (;;) {
    const id = randomHex(bytes)
    if (!/^0+$/.test(id)) return id
  }
}
