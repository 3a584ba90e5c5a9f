import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Traffic } from '../../internal/console/traffic.ts'
import { ofResponse } from '../../internal/console/watch-traffic.ts'
import type { CrossOriginOptions } from '../../internal/http/cross-origin.ts'
import type { Drain } from '../../internal/http/drain.ts'
import { requestCheck } from '../../internal/http/guard.ts'
import { requestIdOf } from '../../internal/http/request-id.ts'
import { type Backend, bodyStream } from '../../internal/proxy/backend.ts'
import type { RequestIds } from '../../internal/proxy/forwarded-headers.ts'
import { Passing, type PassingOwner } from '../../internal/proxy/stream-through.ts'
import { checkForwardable } from '../../internal/proxy/target.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import { type Observer, observer } from '../../internal/telemetry/observe.ts'
import { traceOf } from '../../internal/telemetry/trace.ts'
import { idsOf } from '../runtime/dependencies.ts'
import { sendProblem } from './send-problem.ts'

/** The route of the sidecar in metrics, log and limits. */
export const ROUTE = 'proxy'

export interface PassOnOptions {
  backend: Backend
  drain: Drain
  logger: Logger
  metrics: Metrics
  /** Counts requests for the console. */
  traffic: Traffic | undefined
  /** The pages that may read a problem. */
  pages: CrossOriginOptions | undefined
}

/** Passes on requests without middleware. Leaves `drain` after the response and the work. */
export function passOn(options: PassOnOptions): (req: IncomingMessage, res: ServerResponse) => void {
  const shared: Shared = {
    ...options,
    check: requestCheck({ checkTarget: checkForwardable }),
    observed: observer(options.metrics, options.logger),
  }
  return (req, res) => new PassedOn(shared, req, res).begin()
}

interface Shared extends PassOnOptions {
  check: (req: IncomingMessage) => void
  observed: Observer
}

/** One request in flight. A class with one closure, since each closure lives as long as the request. */
class PassedOn implements RequestIds, PassingOwner {
  readonly requestId: string
  readonly trace: RequestIds['trace']
  readonly #shared: Shared
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #startedMs: number
  #passing: Passing | undefined
  #isGone = false
  #isDone = false

  constructor(shared: Shared, req: IncomingMessage, res: ServerResponse) {
    this.#shared = shared
    this.#req = req
    this.#res = res
    this.#startedMs = shared.observed.begin()
    shared.traffic?.begin(this, noLock)
    this.requestId = requestIdOf(req)
    this.trace = traceOf(req)
    res.on('close', () => this.#gone())
  }

  begin(): void {
    const { check, backend } = this.#shared
    try {
      check(this.#req)
      const call = backend.callFor(this.#req, this, bodyStream(this.#req))
      this.#passing = new Passing(backend, call, this.#res, this)
      this.#passing.begin()
    } catch (error) {
      this.ended(error)
    }
  }

  addHeaders(headers: string[]): void {
    headers.push('X-Request-Id', this.requestId)
    if (this.#shared.drain.stopping) headers.push('Connection', 'close')
  }

  ended(error?: unknown): void {
    if (this.#isDone) return
    this.#isDone = true
    if (error !== undefined) {
      const { status } = sendProblem(this.#res, error, this.requestId, this.#shared.pages)
      if (status >= 500) this.#shared.logger.error({ ...idsOf(this), err: error }, 'request failed')
    }
    if (this.#isGone) this.#shared.drain.leave()
  }

  #gone(): void {
    this.#passing?.left()
    const { traffic, observed, drain } = this.#shared
    const { requestId, trace } = this
    const { method = '', url: target } = this.#req
    const { headersSent } = this.#res
    // 499, as other proxies report a client that left before the response.
    const status = headersSent ? this.#res.statusCode : 499
    traffic?.end(this, headersSent ? ofResponse(status) : 'failed', undefined)
    observed.end(this.#startedMs, { requestId, trace, method, route: ROUTE, target, status })
    this.#isGone = true
    if (this.#isDone) drain.leave()
  }
}

function noLock(): undefined {
  return undefined
}
