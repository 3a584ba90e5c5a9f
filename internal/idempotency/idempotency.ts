import { isAscii } from 'node:buffer'
import { hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type Attempt, type Effect, required, type Stage, type StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import type { Handled, Holding, IdempotencyEngine } from './engine.ts'
import { keyInHeader } from './idempotency-key.ts'
import { type Answer, parseReason } from './store.ts'

export interface IdempotencyOptions {
  engine: IdempotencyEngine
  /** Method and route pattern, e.g. `POST /orders`: keys of different routes never meet. */
  scope: string | ((ctx: StageContext) => string)
  /** Throws `idempotency_key_missing` or `idempotency_key_invalid`; reads `Idempotency-Key` by default. */
  keyOf?: (ctx: StageContext) => string
  /** Turns what the handler threw into an answer on `ctx`, so that it can be stored like any other. */
  renderError: (ctx: StageContext, error: unknown) => void
  /** What belongs to the request besides method, target and body: with another of it the key stands for another. */
  alsoFingerprinted?: (ctx: StageContext) => string
  /** Whether a header of the answer is stored and replayed, by its name in lower case. */
  isRecorded?: (name: string) => boolean
}

const REPLAYED_HEADERS = ['Content-Type', 'Location']

/**
 * Runs the stages behind it once for each key and answers every retry with the same status, bytes, `Content-Type`
 * and `Location`. Needs the body and the caller. The work goes on when the client goes away: only the answer is
 * lost, and the retry gets it.
 */
export function idempotency(options: IdempotencyOptions): Stage {
  const { engine, renderError, keyOf = keyInHeader(['idempotency-key']), alsoFingerprinted } = options
  const { isRecorded } = options
  const scopeOf = (ctx: StageContext) =>
    typeof options.scope === 'string' ? options.scope : options.scope(ctx)
  return async function idempotency(ctx, next) {
    const key = keyOf(ctx)
    const { client } = required(ctx, 'caller', 'verifySignature')
    const body = required(ctx, 'body', 'rawBody')
    const more = alsoFingerprinted === undefined ? '' : `\n${alsoFingerprinted(ctx)}`
    const fingerprint = hash('sha256', `${ctx.req.method}\n${ctx.req.url}\n${body.sha256}${more}`)

    const id = { client, scope: scopeOf(ctx), key }
    let isStored = true
    const { answer, replayed } = await engine.run(id, fingerprint, async (holding) => {
      const attempt = new HeldAttempt(key, fingerprint, holding)
      ctx.state.attempt = attempt
      let error: unknown
      try {
        await next()
      } catch (thrown) {
        error = thrown
        renderError(ctx, thrown)
      }
      const effect = attempt.effect ?? effectOf(ctx.status, error)
      isStored = effect === 'answer'
      if (isStored) {
        return { answer: await capture(ctx, isRecorded), effect: 'answer', replayed: attempt.replayed }
      }
      // It goes out as it stands on ctx: it may be a stream, of any length.
      const unknown = typeof effect === 'string' ? {} : { reason: parseReason(effect.unknown) }
      return {
        answer: NOT_STORED,
        effect: typeof effect === 'string' ? effect : 'unknown',
        ...unknown,
        replayed: false,
      }
    })
    if (isStored) send(ctx, answer, replayed)
  }
}

/** A class for the reason that HeldKey of the engine is one. */
class HeldAttempt implements Attempt {
  readonly key: string
  readonly fingerprint: string
  readonly number: number
  readonly #holding: Holding
  replayed = false
  effect?: Effect

  constructor(key: string, fingerprint: string, holding: Holding) {
    this.key = key
    this.fingerprint = fingerprint
    this.number = holding.attempt
    this.#holding = holding
  }

  get signal(): AbortSignal {
    return this.#holding.signal
  }

  dispatched(): Promise<void> {
    return this.#holding.dispatched()
  }
}

const NOT_STORED: Answer = { status: 0, headers: {}, body: Buffer.alloc(0) }

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

async function capture(ctx: StageContext, isRecorded: IdempotencyOptions['isRecorded']): Promise<Answer> {
  const body = bytesOf(ctx.body)
  const names =
    isRecorded === undefined ? REPLAYED_HEADERS : ctx.res.getHeaderNames().filter(isRecorded).map(titleCase)
  // Without a prototype: a header may have any name.
  const headers: Answer['headers'] = Object.create(null)
  for (const name of names) {
    const value = ctx.res.getHeader(name)
    if (value !== undefined) headers[name] = Array.isArray(value) ? value : String(value)
  }
  return { status: ctx.status, headers, body: body instanceof Buffer ? body : await body }
}

/** `content-type` as it is usually written; Node gives names in lower case. */
function titleCase(name: string): string {
  return name.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase())
}

function bytesOf(body: unknown): Buffer | Promise<Buffer> {
  if (body instanceof Buffer) return body
  if (body === undefined || body === null) return Buffer.alloc(0)
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Readable || body instanceof ReadableStream) return buffer(body)
  if (body instanceof Blob || body instanceof Response) return body.arrayBuffer().then(Buffer.from)
  return Buffer.from(JSON.stringify(body))
}

function send(ctx: StageContext, answer: Answer, replayed: boolean): void {
  // What was just captured stands on ctx already.
  if (!replayed && (typeof ctx.body === 'string' || ctx.body instanceof Buffer)) return
  const { res } = ctx
  ctx.status = answer.status
  for (const name in answer.headers) res.setHeader(name, answer.headers[name] ?? '')
  if (replayed) res.setHeader('Idempotent-Replayed', 'true')
  // A first answer has headers that are not replayed as well: whose they are is not looked at.
  ctx.body = replayed && isPlain(answer) ? answer.body.toString('latin1') : answer.body
  // Koa gives a body a type of its own where there was none.
  if (!hasType(answer)) ctx.remove('Content-Type')
}

/**
 * The same bytes as text: Node sends it in one piece with the headers, and bytes in a second one. In that piece headers
 * are UTF-8, too, while those of a backend may be Latin-1.
 */
function isPlain({ headers, body }: Answer): boolean {
  for (const name in headers) {
    const value = headers[name]
    if (typeof value !== 'string' || !ASCII.test(value)) return false
  }
  return isAscii(body)
}

const ASCII = /^[\t -~]*$/

function hasType({ headers }: Answer): boolean {
  return (
    'Content-Type' in headers || Object.keys(headers).some((name) => name.toLowerCase() === 'content-type')
  )
}
