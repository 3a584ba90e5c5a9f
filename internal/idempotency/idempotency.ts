import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { headerValues } from '../header-values.ts'
import { type Attempt, required, type Stage, type StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import type { Handled, IdempotencyEngine } from './engine.ts'
import { type KeyGrammar, parseIdempotencyKey } from './idempotency-key.ts'
import type { Answer } from './store.ts'

export interface IdempotencyOptions {
  engine: IdempotencyEngine
  /** Method and route pattern, e.g. `POST /orders`: keys of different routes never meet. */
  scope: string
  /** Of the keys of this route, if it is stricter than the common rules. */
  grammar?: KeyGrammar
  /** Turns what the handler threw into an answer on `ctx`, so that it can be stored like any other. */
  renderError: (ctx: StageContext, error: unknown) => void
}

/**
 * Runs the stages behind it once for each key and answers every retry with the same status, bytes, `Content-Type`
 * and `Location`. Needs the body and the caller. The work goes on when the client goes away: only the answer is
 * lost, and the retry gets it.
 */
export function idempotency(options: IdempotencyOptions): Stage {
  const { engine, scope, grammar, renderError } = options
  return async function idempotency(ctx, next) {
    const key = parseIdempotencyKey(headerValues(ctx.req.rawHeaders, 'idempotency-key'), grammar)
    const { client } = required(ctx, 'caller', 'verifySignature')
    const body = required(ctx, 'body', 'rawBody')
    const fingerprint = createHash('sha256')
      .update(`${ctx.req.method}\n${ctx.req.url}\n${body.sha256}`)
      .digest('hex')

    const { answer, replayed } = await engine.run({ client, scope, key }, fingerprint, async (holding) => {
      const attempt: Attempt = {
        key,
        fingerprint,
        number: holding.attempt,
        get signal() {
          return holding.signal
        },
        replayed: false,
      }
      ctx.state.attempt = attempt
      return handled(ctx, attempt, await outcomeOf(next, (error) => renderError(ctx, error)))
    })
    send(ctx, answer, replayed)
  }
}

/** undefined: the handler returned; otherwise what it threw, already rendered. */
async function outcomeOf(next: () => Promise<unknown>, render: (error: unknown) => void): Promise<unknown> {
  try {
    await next()
    return undefined
  } catch (error) {
    render(error)
    return error
  }
}

async function handled(ctx: StageContext, attempt: Attempt, error: unknown): Promise<Handled> {
  const answer = await capture(ctx)
  const effect = effectOf(answer.status, error)
  return { answer, effect, replayed: attempt.replayed && effect === 'answer' }
}

/** Problems about the key itself: stored, they would stand in the way of the request that the key belongs to. */
const ABOUT_THE_KEY = new Set(['idempotency_key_reused', 'request_in_progress', 'outcome_unknown'])
const BUSINESS = new Set([402, 404, 409, 422])

/** What an answer means for its key: stored, freed, or unknown. */
export function effectOf(status: number, error: unknown): Handled['effect'] {
  if (error instanceof ServiceError) {
    if (error.effect === 'unknown') return 'unknown'
    if (ABOUT_THE_KEY.has(error.code)) return 'nothing happened'
  } else if (error !== undefined) {
    return 'unknown'
  }
  if (status < 400 || BUSINESS.has(status)) return 'answer'
  // A handler that answers 5xx by itself has not said whether anything took effect; 503 says that nothing did.
  if (status >= 500 && status !== 503 && error === undefined) return 'unknown'
  return 'nothing happened'
}

const REPLAYED_HEADERS = ['Content-Type', 'Location']

async function capture(ctx: StageContext): Promise<Answer> {
  const body = await bytesOf(ctx.body)
  const headers: Record<string, string> = {}
  for (const name of REPLAYED_HEADERS) {
    // Koa's get() gives undefined for a header that is not there, whatever its type says.
    if (ctx.res.hasHeader(name)) headers[name] = ctx.response.get(name)
  }
  return { status: ctx.status, headers, body }
}

async function bytesOf(body: unknown): Promise<Buffer> {
  if (body instanceof Buffer) return body
  if (body === undefined || body === null) return Buffer.alloc(0)
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Readable || body instanceof ReadableStream) return await buffer(body)
  if (body instanceof Blob || body instanceof Response) return Buffer.from(await body.arrayBuffer())
  return Buffer.from(JSON.stringify(body))
}

function send(ctx: StageContext, answer: Answer, replayed: boolean): void {
  ctx.status = answer.status
  ctx.set(answer.headers)
  if (replayed) ctx.set('Idempotent-Replayed', 'true')
  ctx.body = answer.body
}
