import { STATUS_CODES } from 'node:http'
import { middleware } from '../core/compose.ts'
import { type HttpError, isHttpError } from '../core/http-error.ts'
import { PROBLEM_TYPE, problemJson } from '../core/problem-json.ts'
import type { Middleware, MiddlewareContext } from '../core/request-state.ts'
import { type ProblemCode, ServiceError } from '../core/service-error.ts'
import { nameRequest } from './request-id.ts'

export type ReportDefect = (ctx: MiddlewareContext, error: unknown) => void

/**
 * Puts the problem document for what was thrown on `ctx`. Anything but a ServiceError and what `ctx.throw()` throws is a
 * defect of ours: it is reported with its cause and shown as a bare 500. Outages are reported too, for their cause.
 *
 * @example renderProblem(ctx, error, (cause) => console.error(cause))
 */
export function renderProblem(ctx: MiddlewareContext, thrown: unknown, report: ReportDefect): void {
  const { problem, status, headers, body } = problemResponse(thrown, ctx.state.requestId ?? '')
  ctx.state.problem = problem
  if (status >= 500) report(ctx, thrown)
  // Another response is on its way, or half of one.
  if (ctx.res.headersSent) throw thrown
  ctx.status = status
  for (const name in headers) ctx.res.setHeader(name, headers[name] ?? '')
  ctx.body = body
}

export interface ProblemResponse {
  /** undefined: of `ctx.throw()`. */
  problem: ServiceError | undefined
  status: number
  headers: Record<string, string | string[]>
  body: string
}

/** The whole response to what was thrown, for who has no `ctx` to put it on. */
export function problemResponse(thrown: unknown, requestId: string): ProblemResponse {
  if (isHttpError(thrown)) return httpProblem(thrown, requestId)
  const error = toServiceError(thrown)
  return {
    problem: error,
    status: error.status,
    headers: headersOf(error),
    body: problemJson(error, requestId),
  }
}

/** RFC 9457, 4.2.1: a problem that says no more than its status. The code is the words of the status, such as `conflict`. */
function httpProblem(error: HttpError, requestId: string): ProblemResponse {
  const { status } = error
  const title = STATUS_CODES[status] ?? ''
  const code = title.toLowerCase().replace(/\W+/g, '_')
  const detail = error.expose ? error.message : title
  const headers = Object.assign({ 'Cache-Control': 'no-store', 'Content-Type': PROBLEM_TYPE }, error.headers)
  const body = JSON.stringify({ type: 'about:blank', title, status, detail, code, request_id: requestId })
  return { problem: undefined, status, headers, body }
}

function headersOf({ headers, retryAfterMs }: ServiceError): ProblemResponse['headers'] {
  const all: ProblemResponse['headers'] = { 'Cache-Control': 'no-store', 'Content-Type': PROBLEM_TYPE }
  if (retryAfterMs !== undefined) all['Retry-After'] = retryAfter(retryAfterMs)
  return Object.assign(all, headers)
}

/** Whole seconds, rounded up, at least 1: RFC 9110 knows no smaller unit. */
function retryAfter(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)))
}

function toServiceError(thrown: unknown): ServiceError {
  if (thrown instanceof ServiceError) return thrown
  // Koa and the router refuse a path that is not percent-encoded UTF-8 with an error of this shape.
  if (
    thrown instanceof URIError ||
    (thrown instanceof Error && 'status' in thrown && thrown.status === 400)
  ) {
    return new ServiceError('invalid_request', 'The request target is not valid.')
  }
  return new ServiceError('internal_error', 'The request could not be handled. The fault is on our side.')
}

const NOTHING: [ProblemCode, string] = ['not_found', 'There is nothing at this path.']
/** What the router leaves behind where nothing responded. */
const UNANSWERED: Record<number, [ProblemCode, string] | undefined> = {
  404: NOTHING,
  405: ['method_not_allowed', 'This path does not take this method; see Allow.'],
  501: ['method_not_allowed', 'This path does not take this method; see Allow.'],
}

/**
 * Turns whatever the middleware behind it throws, or leaves unanswered, into a problem document. Names the request where
 * `requestId` did not. `report` is called with what becomes a 5xx; by default it goes to standard error. `untilTurn` is
 * waited for before that, see `turnEnd`.
 *
 * @example app.use(problems((ctx, error) => logger.error({ err: error, request_id: ctx.state.requestId })))
 */
export function problems(report: ReportDefect = printDefect, untilTurn?: () => Promise<void>): Middleware {
  const render = (ctx: MiddlewareContext, error: unknown) => renderProblem(ctx, error, report)
  return middleware(
    function problems(ctx) {
      if (ctx.state.requestId === undefined) nameRequest(ctx)
      ctx.state.renderError = render
      return undefined
    },
    function rendered(ctx, thrown) {
      const error = thrown ?? unanswered(ctx)
      if (error === undefined) return undefined
      if (untilTurn === undefined) return render(ctx, error)
      return untilTurn().then(() => render(ctx, error))
    },
  )
}

/** Undefined for a request that got a response. */
function unanswered(ctx: MiddlewareContext): ServiceError | undefined {
  // A middleware behind has written the response to the connection by itself.
  if (ctx.respond === false || ctx.res.headersSent || (ctx.body !== undefined && ctx.body !== null))
    return undefined
  const problem = UNANSWERED[ctx.status]
  if (problem === undefined) return undefined
  // To a method that it does not know the router says so at any path, also where there is nothing.
  const nothing = ctx.status !== 404 && ctx.response.get('Allow') === ''
  if (nothing) ctx.remove('Allow')
  return new ServiceError(...(nothing ? NOTHING : problem))
}

function printDefect({ state }: MiddlewareContext, error: unknown): void {
  console.error(`request ${state.requestId} failed:`, error)
}

let turn: Promise<void> | undefined

/**
 * The end of this turn of the event loop: refusals sent after all requests of a turn cost less (9,500 of 401 a second,
 * not 6,400).
 */
export function turnEnd(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined
      resolve()
    })
  })
  return turn
}
