import { Readable } from 'node:stream'
import { headerValues } from '../header-values.ts'
import { required, type Stage, type StageContext } from '../request-state.ts'
import type { HeaderLines } from './answer-headers.ts'
import { meaningOf, type On5xx } from './answer-meaning.ts'
import { type Backend, bodyStream } from './backend.ts'
import { type Exchanged, type ExchangeLimits, exchange } from './exchange.ts'
import type { RequestIds } from './forwarded-headers.ts'
import { streamThrough } from './stream-through.ts'
import { REASONS, unknownOutcome, unreachable } from './upstream-failure.ts'

/** Passes a request without a key on, its answer as it comes. What an earlier stage has read is sent from memory. */
export function forward(backend: Backend): Stage {
  return async function forward(ctx) {
    const body = ctx.state.body === undefined ? bodyStream(ctx.req) : ctx.state.body.bytes
    const call = backend.callFor(ctx.req, idsOf(ctx), body)
    await streamThrough(backend, call, ctx.res)
    // Koa is told only now: a problem, until then, is an answer for it to send.
    ctx.respond = false
  }
}

function idsOf(ctx: StageContext): RequestIds {
  return { requestId: required(ctx, 'requestId', 'requestId'), trace: required(ctx, 'trace', 'trace') }
}

export interface ForwardOnceOptions {
  backend: Backend
  maxResponseBytes: number
  maxDurationMs: number
  on5xx: On5xx
  /** What an unknown outcome does to the key: 'hold' it, or 'release' it to a backend that knows the key itself. */
  onUnknown: 'hold' | 'release'
  /** The outcome of a request is not known. */
  onTrouble: (ctx: StageContext, reason: string, cause: unknown) => void
}

/**
 * The handler behind the idempotency stage: sends the request once, and never without having recorded before that it
 * is on its way. An answer up to `maxResponseBytes` is held back until it is recorded, so that nobody has an answer
 * that a retry would not get; a larger one goes out as a stream once its key is marked.
 */
export function forwardOnce(options: ForwardOnceOptions): Stage {
  const { backend, maxResponseBytes, maxDurationMs, on5xx, onUnknown, onTrouble } = options
  return async function forwardOnce(ctx) {
    const attempt = required(ctx, 'attempt', 'idempotency')
    const body = required(ctx, 'body', 'rawBody')
    // Until the request is handed over nothing has happened, whatever fails.
    attempt.effect = 'nothing happened'
    const call = backend.callFor(ctx.req, idsOf(ctx), body.bytes)
    await attempt.dispatched()
    // A held key stays held without its lease: then the answer is still worth waiting for.
    const limits: ExchangeLimits = { maxResponseBytes, maxDurationMs }
    if (onUnknown === 'release') limits.signal = attempt.signal
    attempt.effect = { unknown: 'handler_failed' }
    const exchanged = await exchange(backend, call, limits)
    switch (exchanged.kind) {
      case 'whole':
        setAnswer(ctx, exchanged)
        attempt.effect = meaningOf(exchanged.status, exchanged.outcome, on5xx)
        break
      case 'stream': {
        setAnswer(ctx, exchanged)
        const meaning = meaningOf(exchanged.status, exchanged.outcome, on5xx)
        attempt.effect = meaning === 'nothing happened' ? meaning : { unknown: exchanged.why }
        break
      }
      case 'failed': {
        const { fault, cause } = exchanged
        if (fault === 'unreachable') {
          attempt.effect = 'nothing happened'
          throw unreachable(fault, cause)
        }
        attempt.effect = { unknown: REASONS[fault] }
        onTrouble(ctx, REASONS[fault], cause)
        throw onUnknown === 'hold' ? unknownOutcome(fault, cause) : unreachable(fault, cause)
      }
    }
  }
}

function setAnswer(
  ctx: StageContext,
  { status, headers, body }: Exclude<Exchanged, { kind: 'failed' }>,
): void {
  ctx.status = status
  ctx.body = body
  // Koa would answer a cut with a text of its own: its client must see a cut.
  if (body instanceof Readable) body.removeAllListeners('error').on('error', () => {})
  // Koa made these up from the body.
  ctx.remove('Content-Type')
  for (const [name, values] of byName(headers)) {
    const stays = name === 'content-length' && body instanceof Buffer && ctx.method !== 'HEAD'
    // Koa takes one type; of several the first is what other clients go by.
    if (!stays) ctx.set(name, name === 'content-type' ? values.slice(0, 1) : values)
  }
}

function byName(lines: HeaderLines): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    if (!names.has(name)) names.set(name, headerValues(lines, name))
  }
  return names
}
