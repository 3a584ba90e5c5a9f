import { Readable } from 'node:stream'
import { headerValues } from '../core/header-values.ts'
import { type Middleware, type MiddlewareContext, required } from '../core/request-state.ts'
import { type Backend, bodyStream } from './backend.ts'
import { type Exchanged, type ExchangeLimits, exchange } from './exchange.ts'
import type { RequestIds } from './forwarded-headers.ts'
import type { HeaderLines } from './response-headers.ts'
import { meaningOf, type On5xx } from './response-meaning.ts'
import { cutResponse, streamThrough } from './stream-through.ts'
import { REASONS, unknownOutcome, unreachable } from './upstream-failure.ts'

/** Passes on a request without a key and streams its response. A body that was read before is sent from memory. */
export function forward(backend: Backend): Middleware {
  return async function forward(ctx) {
    const body = ctx.state.body === undefined ? bodyStream(ctx.req) : ctx.state.body.bytes
    const call = backend.callFor(ctx.req, idsOf(ctx), body)
    await streamThrough(backend, call, ctx.res)
    // At the end, so that Koa sends the problem document of an earlier failure.
    ctx.respond = false
  }
}

function idsOf(ctx: MiddlewareContext): RequestIds {
  return { requestId: required(ctx, 'requestId', 'requestId'), trace: required(ctx, 'trace', 'trace') }
}

export interface ForwardOnceOptions {
  backend: Backend
  maxResponseBytes: number
  maxDurationMs: number
  on5xx: On5xx
  /** What an unknown outcome does to the key: 'release' is for backends that deduplicate by the key. */
  onUnknown: 'hold' | 'release'
  /** Called when an outcome is unknown. */
  onTrouble: (ctx: MiddlewareContext, reason: string, cause: unknown) => void
}

/**
 * The handler behind the idempotency middleware: records that the request is dispatched, then sends it once. A response
 * up to `maxResponseBytes` is held back until it is recorded; a larger one is streamed once its key is marked.
 */
export function forwardOnce(options: ForwardOnceOptions): Middleware {
  const { backend, maxResponseBytes, maxDurationMs, on5xx, onUnknown, onTrouble } = options
  return async function forwardOnce(ctx) {
    const attempt = required(ctx, 'attempt', 'idempotency')
    const body = required(ctx, 'body', 'rawBody')
    // Before the request is sent a failure has no effect.
    attempt.outcome = 'not_executed'
    const call = backend.callFor(ctx.req, idsOf(ctx), body.bytes)
    await attempt.dispatched()
    // A held key stays held without its lease, so that the response is waited for.
    const limits: ExchangeLimits = { maxResponseBytes, maxDurationMs }
    if (onUnknown === 'release') limits.signal = attempt.signal
    attempt.outcome = { unknown: 'handler_failed' }
    const exchanged = await exchange(backend, call, limits)
    switch (exchanged.kind) {
      case 'whole':
        setResponse(ctx, exchanged)
        attempt.outcome = meaningOf(exchanged.status, exchanged.outcome, on5xx)
        if (typeof attempt.outcome === 'object')
          onTrouble(ctx, attempt.outcome.unknown, new Error(`the backend responded with ${exchanged.status}`))
        break
      case 'stream': {
        setResponse(ctx, exchanged)
        const meaning = meaningOf(exchanged.status, exchanged.outcome, on5xx)
        attempt.outcome = meaning === 'completed' ? { unknown: exchanged.why } : meaning
        break
      }
      case 'failed': {
        const { fault, cause } = exchanged
        if (fault === 'unreachable') {
          attempt.outcome = 'not_executed'
          throw unreachable(fault, cause, { method: call.method, keyed: true })
        }
        attempt.outcome = { unknown: REASONS[fault] }
        onTrouble(ctx, REASONS[fault], cause)
        if (onUnknown === 'hold') throw unknownOutcome(fault, cause)
        throw unreachable(fault, cause, { method: call.method, keyed: true })
      }
    }
  }
}

function setResponse(
  ctx: MiddlewareContext,
  { status, headers, body }: Exclude<Exchanged, { kind: 'failed' }>,
): void {
  ctx.status = status
  ctx.body = body
  // Koa would replace a cut response by a text of its own.
  if (body instanceof Readable) {
    body
      .removeAllListeners('error')
      .on('error', () => cutResponse(ctx.res, ctx.res.hasHeader('content-length')))
  }
  // Koa has set it by the body.
  ctx.remove('Content-Type')
  for (const [name, values] of byName(headers)) {
    // The header marks replays of this service, not those of the backend.
    if (name === 'idempotent-replayed') continue
    const stays = name === 'content-length' && body instanceof Buffer && ctx.method !== 'HEAD'
    if (stays) continue
    const [first = ''] = values
    // Koa takes one type: the first, as other clients do.
    ctx.set(name, values.length === 1 || name === 'content-type' ? first : values)
  }
}

function byName(lines: HeaderLines): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    if (!names.has(name)) names.set(name, [...headerValues(lines, name)])
  }
  return names
}
