import { isAscii } from 'node:buffer'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { checkText } from '../core/check-option.ts'
import { bySpelling } from '../core/header-values.ts'
import { type HttpError, isHttpError } from '../core/http-error.ts'
import type { RequestOutcome } from '../core/request-outcome.ts'
import {
  type Attempt,
  type Middleware,
  type MiddlewareContext,
  type RowOutcome,
  required,
} from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { decodeReplay } from './decode-replay.ts'
import {
  type EngineOptions,
  type HandlerResult,
  type HeldKey,
  idempotencyEngine,
  type KeyEngine,
} from './engine.ts'
import { fingerprintOf, requestText } from './fingerprint.ts'
import { keyInHeader } from './idempotency-key.ts'
import { parseReason, type StoredResponse, type UnknownReason } from './store.ts'

export type IdempotencyOptions = RouteOptions & ({ engine: KeyEngine } | EngineOptions)

interface RouteOptions {
  /** Method and route pattern, e.g. `POST /orders`: keys of different routes never meet. */
  scope: string | ((ctx: MiddlewareContext) => string)
  /** Throws `idempotency_key_missing` or `idempotency_key_invalid`; reads `Idempotency-Key` by default. */
  keyOf?: (ctx: MiddlewareContext) => string
  /** Turns what the handler threw into a response on `ctx`, so that it can be stored; as `problems` does by default. */
  renderError?: (ctx: MiddlewareContext, error: unknown) => void
  /** What belongs to the request besides method, target and body: with another of it the key stands for another. */
  alsoFingerprinted?: (ctx: MiddlewareContext) => string
  /**
   * The credentials of callers that share their keys, '' for none. A stored response is replayed only to those of the
   * first request; other ones get 409 `idempotency_key_reused` with words of its own.
   */
  credentialsOf?: (ctx: MiddlewareContext) => string
  /** Whether a header of the response is stored and replayed, by its name in lower case. */
  isRecorded?: (name: string) => boolean
}

/** Where `isRecorded` does not say otherwise. */
export const REPLAYED_HEADERS = ['Content-Type', 'Content-Encoding', 'Location']

/**
 * Runs the middleware behind it once for each key and responds to every retry with the same status, bytes, `Content-Type`,
 * `Content-Encoding` and `Location`. Needs the body and the caller. The work goes on when the client goes away: only the
 * response is lost, and the retry gets it. With `store` in place of `engine` it makes an engine of its own.
 *
 * What a handler writes to `ctx.res` by itself (`ctx.respond = false`) goes out and cannot be replayed: a retry gets
 * `outcome_unknown`.
 *
 * @throws ServiceError `idempotency_key_missing`, `idempotency_key_invalid`, `idempotency_key_reused`,
 * `request_in_progress`, `outcome_unknown` or `store_unavailable`; in all of these the handler did not run.
 * @example app.use(idempotency({ store, scope: 'POST /bookings', onUnknown: 'hold' }))
 */
export function idempotency(options: IdempotencyOptions): Middleware {
  if (typeof options.scope !== 'function') checkText('scope', options.scope)
  const engine = 'engine' in options ? options.engine : idempotencyEngine(options)
  const { keyOf = keyInHeader(['idempotency-key']), alsoFingerprinted } = options
  const { isRecorded, credentialsOf } = options
  const scopeOf = (ctx: MiddlewareContext) =>
    typeof options.scope === 'string' ? options.scope : options.scope(ctx)
  // None of the functions in it is async: their frames would live as long as the request.
  return function idempotency(ctx, next) {
    const key = keyOf(ctx)
    const { client } = required(ctx, 'caller', 'verifySignature')
    const body = required(ctx, 'body', 'rawBody')
    const { method = '' } = ctx.req
    // Not `ctx.url`, of which koa-mount takes a part away: two places where an app is mounted are two targets.
    const request = requestText(method, ctx.originalUrl, body.sha256, alsoFingerprinted?.(ctx))
    const fingerprint = fingerprintOf(request, credentialsOf?.(ctx) ?? '')

    const id = { client, scope: scopeOf(ctx), key }
    /** What the handler left on ctx and stored nowhere, or in its own row. */
    let onCtx: StoredResponse | undefined
    const handle = (holding: HeldKey) => {
      const attempt = new HeldAttempt(key, fingerprint, holding)
      ctx.state.attempt = attempt
      const ended = (error: unknown): HandlerResult | Promise<HandlerResult> => {
        const { row, replayed } = attempt
        const outcome = attempt.outcome ?? outcomeOn(ctx, error)
        const isInRow = row === 'stands' && holding.attempt === 0 && !replayed
        if (outcome === 'completed' && !isInRow) {
          const response = capture(ctx, isRecorded)
          // Nearly always it is there: then there is nothing to wait for.
          if (!(response instanceof Promise)) return { response, outcome, replayed, row }
          return response.then((captured) => ({ response: captured, outcome, replayed, row }))
        }
        // It goes out as it stands on ctx: it may be a stream, of any length.
        onCtx = { status: ctx.status, headers: {}, body: NOTHING }
        return {
          response: onCtx,
          outcome: typeof outcome === 'string' ? outcome : { unknown: parseReason(outcome.unknown) },
          replayed: false,
          row,
        }
      }
      const failed = (thrown: unknown) => {
        if (isDecided(thrown) && ctx.res.headersSent) cut(ctx)
        else (options.renderError ?? required(ctx, 'renderError', 'problems'))(ctx, thrown)
        return ended(thrown)
      }
      try {
        return next().then(() => ended(undefined), failed)
      } catch (thrown) {
        return Promise.resolve(failed(thrown))
      }
    }
    return engine.run(id, fingerprint, handle).then(({ response, replayed }) => {
      if (response !== onCtx) send(ctx, response, replayed)
      return replayed && ctx.res.hasHeader('Content-Encoding') ? decodeReplay(ctx) : undefined
    })
  }
}

function outcomeOn(ctx: MiddlewareContext, error: unknown): RequestOutcome<UnknownReason> {
  if (isSentPastKoa(ctx)) return outcomeOfSent(error)
  if (error === undefined && isUnhandled(ctx)) return 'not_executed'
  return outcomeOf(ctx.status, error)
}

/** No middleware has set anything: 404 is what Koa begins with. It remembers in this member that a status was set. */
function isUnhandled({ status, body, response }: MiddlewareContext): boolean {
  return (
    status === 404 && (body ?? undefined) === undefined && Reflect.get(response, '_explicitStatus') !== true
  )
}

/** Half a response is none. */
function cut({ res }: MiddlewareContext): void {
  if (!res.writableEnded) res.destroy()
}

/** The handler meant this response, and it is no defect. */
function isDecided(error: unknown): error is ServiceError | HttpError {
  return error instanceof ServiceError || isHttpError(error)
}

/** The same as `outcomeOf` where the status on `ctx` is that of another response, and nothing is there to be stored. */
function outcomeOfSent(error: unknown): RequestOutcome<UnknownReason> {
  const outcome = isDecided(error) ? outcomeOf(error.status, error) : outcomeOf(200, error)
  return outcome === 'completed' ? { unknown: 'answer_streamed' } : outcome
}

/**
 * The handler has written, or will write, to the connection by itself; or a middleware in front that limits the time has
 * responded meanwhile.
 */
function isSentPastKoa({ res, respond, body, status }: MiddlewareContext): boolean {
  if (respond === false || res.writableEnded) return true
  // A handler that has called ctx.flushHeaders() leaves its body on ctx.
  return res.headersSent && (body === undefined || body === null || status >= 400)
}

/** A class for the reason that HeldKey of the engine is one. */
class HeldAttempt implements Attempt {
  readonly key: string
  readonly fingerprint: string
  readonly number: number
  readonly #holding: HeldKey
  replayed = false
  row: RowOutcome | undefined = undefined
  outcome?: RequestOutcome

  constructor(key: string, fingerprint: string, holding: HeldKey) {
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

const NOTHING = Buffer.alloc(0)

/** Problems about the key itself: stored, they would stand in the way of the request that the key belongs to. */
const ABOUT_THE_KEY = new Set(['idempotency_key_reused', 'request_in_progress', 'outcome_unknown'])
const BUSINESS = new Set([402, 404, 409, 422])

/** What a response means for its key: stored, freed, or unknown. */
export function outcomeOf(status: number, error: unknown): RequestOutcome<UnknownReason> {
  if (error instanceof ServiceError) {
    if (error.effect === 'unknown') return { unknown: 'not_told' }
    if (ABOUT_THE_KEY.has(error.code)) return 'not_executed'
  } else if (error !== undefined && !isHttpError(error)) {
    return { unknown: 'not_told' }
  }
  if (status < 400 || BUSINESS.has(status)) return 'completed'
  // A handler that responds with 5xx by itself has not said whether anything took effect; 503 says that nothing did.
  if (status >= 500 && status !== 503 && !(error instanceof ServiceError)) return { unknown: 'not_told' }
  return 'not_executed'
}

function capture(
  ctx: MiddlewareContext,
  isRecorded: IdempotencyOptions['isRecorded'],
): StoredResponse | Promise<StoredResponse> {
  const { status } = ctx
  const body = bytesOf(ctx.body)
  const names =
    isRecorded === undefined ? REPLAYED_HEADERS : ctx.res.getHeaderNames().filter(isRecorded).map(titleCase)
  // Without a prototype: a header may have any name.
  const headers: StoredResponse['headers'] = Object.create(null)
  for (const name of names) {
    const value = ctx.res.getHeader(name)
    if (value !== undefined) headers[name] = Array.isArray(value) ? value : String(value)
  }
  if (body instanceof Promise) return body.then((bytes) => ({ status, headers, body: bytes }))
  return { status, headers, body }
}

/** `content-type` as it is usually written; Node gives names in lower case. */
const titleCase = bySpelling((name) => name.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase()))

function bytesOf(body: unknown): Buffer | Promise<Buffer> {
  if (body instanceof Buffer) return body
  if (body === undefined || body === null) return Buffer.alloc(0)
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Readable || body instanceof ReadableStream) return buffer(body)
  if (isOtherStream(body)) return buffer(Symbol.asyncIterator in body ? body : new Readable().wrap(body))
  if (body instanceof Blob || body instanceof Response) return body.arrayBuffer().then(Buffer.from)
  return Buffer.from(JSON.stringify(body))
}

/** A stream of the package readable-stream, as those of through2 and archiver are, or one older than Readable. */
function isOtherStream(body: unknown): body is NodeJS.ReadableStream {
  return (
    typeof body === 'object' &&
    body !== null &&
    'pipe' in body &&
    typeof body.pipe === 'function' &&
    'on' in body &&
    typeof body.on === 'function'
  )
}

function send(ctx: MiddlewareContext, response: StoredResponse, replayed: boolean): void {
  // What was just captured stands on ctx already.
  if (!replayed && (typeof ctx.body === 'string' || ctx.body instanceof Buffer)) return
  const { res } = ctx
  ctx.status = response.status
  // A handler may have called ctx.flushHeaders().
  if (!res.headersSent) for (const name in response.headers) res.setHeader(name, response.headers[name] ?? '')
  if (replayed) res.setHeader('Idempotent-Replayed', 'true')
  // A first response has headers that are not replayed as well: whose they are is not looked at.
  ctx.body = replayed && isPlain(response) ? response.body.toString('latin1') : response.body
  // Koa gives a body a type of its own where there was none.
  if (!hasType(response)) ctx.remove('Content-Type')
}

/**
 * The same bytes as text: Node sends it in one piece with the headers, and bytes in a second one. In that piece headers
 * are UTF-8, too, while those of a backend may be Latin-1.
 */
function isPlain({ headers, body }: StoredResponse): boolean {
  for (const name in headers) {
    const value = headers[name]
    if (typeof value !== 'string' || !ASCII.test(value)) return false
  }
  return isAscii(body)
}

const ASCII = /^[\t -~]*$/

function hasType({ headers }: StoredResponse): boolean {
  return (
    'Content-Type' in headers || Object.keys(headers).some((name) => name.toLowerCase() === 'content-type')
  )
}
