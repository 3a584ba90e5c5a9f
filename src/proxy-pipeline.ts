import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import Router from '@koa/router'
import Koa from 'koa'
import { guard, requestCheck } from '../internal/http/guard.ts'
import { type HealthOptions, health, livez, readyz } from '../internal/http/health.ts'
import { problemAnswer, problems, renderProblem, turnEnd } from '../internal/http/problems.ts'
import { rawBody } from '../internal/http/raw-body.ts'
import { requestId, requestIdOf } from '../internal/http/request-id.ts'
import { idempotency } from '../internal/idempotency/idempotency.ts'
import { keyInHeader } from '../internal/idempotency/idempotency-key.ts'
import type { Lookup } from '../internal/idempotency/lookups.ts'
import { isRecorded } from '../internal/proxy/answer-headers.ts'
import { type Backend, bodyStream } from '../internal/proxy/backend.ts'
import { forward, forwardOnce } from '../internal/proxy/forward.ts'
import { lookUp } from '../internal/proxy/lookup.ts'
import { credentialsOf, nameCaller } from '../internal/proxy/name-caller.ts'
import { Passing } from '../internal/proxy/stream-through.ts'
import { checkForwardable, splitTarget } from '../internal/proxy/target.ts'
import type { RequestState, Stage, StageContext } from '../internal/request-state.ts'
import type { ClientRegistry } from '../internal/signature/client-registry.ts'
import { inTurn } from '../internal/stages.ts'
import { observe, observer } from '../internal/telemetry/observe.ts'
import { traceOf, trace as traceStage } from '../internal/telemetry/trace.ts'
import { engine } from './key-engine.ts'
import { limits } from './limits.ts'
import { metricsPage } from './metrics-app.ts'
import { idsOf, type Parts, type StoreParts } from './parts.ts'
import { BODY_TIMEOUT_MS, signatures } from './pipeline.ts'
import type { ProxyConfig } from './proxy-config.ts'
import { ADMIN_PREFIX } from './proxy-prefix.ts'

/** What the sidecar is made of. */
export interface ProxyParts extends StoreParts, Pick<Parts, 'drain' | 'health' | 'scrape'> {
  proxy: ProxyConfig
  /** undefined: signatures are not checked. */
  clients: ClientRegistry | undefined
  backend: Backend
}

const KEY_HEADERS = ['idempotency-key', 'x-idempotency-key']
const ROUTE = 'proxy'

/**
 * The sidecar: what has a key, or must be checked first, walks through the stages; everything else is passed on at
 * once, with the same checks of its form, the same log line and the same metrics.
 */
export function proxyListener(parts: ProxyParts): RequestListener {
  const { proxy, drain, clients, config } = parts
  const staged = stages(parts).callback()
  const plain = passOn(parts)
  const admin = proxy.adminPort === undefined ? adminApp(parts, ADMIN_PREFIX).callback() : undefined
  const allStaged = clients !== undefined || (config.rateLimits ?? []).length > 0
  // Each request is counted until its answer has gone and its work is done: a client that leaves does not end the work.
  const leave = () => drain.leave()
  async function throughStages(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const gone = new Promise<void>((resolve) => res.once('close', resolve))
    try {
      await staged(req, res)
      await gone
    } finally {
      drain.leave()
    }
  }
  return function proxyListener(req, res) {
    if (admin !== undefined && req.url?.startsWith(`${ADMIN_PREFIX}/`) === true) return void admin(req, res)
    try {
      drain.enter()
    } catch (error) {
      return void sendProblem(res, error, requestIdOf(req))
    }
    const isStaged = allStaged || isKeyed(req) || proxy.requireKey.has(req.method ?? '')
    if (isStaged) void throughStages(req, res)
    else plain(req, res, leave)
  }
}

function stages(parts: ProxyParts): Koa<RequestState> {
  const { proxy, config, clients, backend, drain, logger, metrics } = parts
  const report = (ctx: StageContext, error: unknown) =>
    logger.error({ ...idsOf(ctx.state), err: error }, 'request failed')
  const app = new Koa<RequestState>()
  app.proxy = config.trustProxy > 0
  app.maxIpsCount = config.trustProxy
  app.on('error', (error: unknown) => logger.warn({ err: error }, 'answer failed'))

  const body = rawBody({ maxBodyBytes: config.maxBodyBytes, timeoutMs: BODY_TIMEOUT_MS, anyEncoding: true })
  const caller =
    clients === undefined ? [nameCaller(proxy.clientHeader)] : [body, signatures(config, clients, metrics)]

  const bodyOnce: Stage = (ctx, next) => (ctx.state.body === undefined ? body(ctx, next) : next())
  const once = idempotency({
    engine: engine(parts, {
      onUnknown: proxy.onUnknown === 'hold' ? 'hold' : 'takeover',
      // The forwarder ends what takes too long by itself; this holds where that fails.
      maxAgeMs: proxy.maxDurationMs + config.idempotencyLeaseMs,
      ...lookupOf(proxy, config.maxResponseBytes),
    }),
    scope: (ctx) => scopeOf(ctx, proxy.name),
    renderError: (ctx, error) => renderProblem(ctx, error, report),
    keyOf: keyInHeader(KEY_HEADERS),
    alsoFingerprinted: credentialsOf,
    isRecorded,
  })
  const { on5xx, onUnknown, maxDurationMs } = proxy
  const { maxResponseBytes } = config
  const sendOnce = forwardOnce({
    ...{ backend, maxResponseBytes, maxDurationMs, on5xx, onUnknown },
    onTrouble: (ctx, reason, cause) =>
      logger.warn({ ...idsOf(ctx.state), reason, err: cause }, 'the outcome of a request is not known'),
  })
  const pass = forward(backend)
  const keyed = inTurn([bodyOnce, once, sendOnce])
  const send: Stage = (ctx, next) =>
    isKeyed(ctx.req) || proxy.requireKey.has(ctx.method) ? keyed(ctx, next) : pass(ctx, next)
  return app.use(
    inTurn([
      requestId(),
      traceStage({ spans: undefined, routeOf: () => ROUTE }),
      observe(metrics, logger, () => ROUTE),
      problems(report, turnEnd),
      closeWhenStopping(() => drain.stopping),
      guard({ checkTarget: checkForwardable }),
      ...caller,
      limits(parts).limited('proxy', ROUTE),
      send,
    ]),
  )
}

function lookupOf({ lookupUrl: url, maxDurationMs }: ProxyConfig, maxResponseBytes: number) {
  if (url === undefined) return {}
  const lookup: Lookup = (id, unknown, signal) =>
    lookUp({ url, maxResponseBytes, maxDurationMs }, { ...id, ...unknown }, signal)
  return { lookup }
}

/** Requests that no stage needs to see. `onEnd` is called when the answer has gone and its work is done. */
function passOn({ backend, drain, logger, metrics }: ProxyParts) {
  const check = requestCheck({ checkTarget: checkForwardable })
  const observed = observer(metrics, logger)
  return function passOn(req: IncomingMessage, res: ServerResponse, onEnd: () => void): void {
    const done = observed()
    const requestId = requestIdOf(req)
    const trace = traceOf(req)
    let passing: Passing | undefined
    let isGone = false
    let isDone = false
    res.once('close', () => {
      passing?.left()
      const { method = '', url } = req
      // As other proxies say it: the client left before there was an answer.
      const status = res.headersSent ? res.statusCode : 499
      done({ requestId, trace, method, route: ROUTE, target: url, status })
      isGone = true
      if (isDone) onEnd()
    })
    const finish = (error?: unknown) => {
      if (isDone) return
      isDone = true
      if (error !== undefined) {
        const { status } = sendProblem(res, error, requestId)
        if (status >= 500) logger.error({ ...idsOf({ requestId, trace }), err: error }, 'request failed')
      }
      if (isGone) onEnd()
    }
    try {
      check(req)
      const call = backend.callFor(req, { requestId, trace }, bodyStream(req))
      const added = () =>
        drain.stopping ? ['X-Request-Id', requestId, 'Connection', 'close'] : ['X-Request-Id', requestId]
      passing = new Passing({ backend, call, res, added, onEnd: finish })
      passing.begin()
    } catch (error) {
      finish(error)
    }
  }
}

function sendProblem(res: ServerResponse, thrown: unknown, requestId: string): { status: number } {
  const { status, headers, body } = problemAnswer(thrown, requestId)
  if (!res.headersSent) {
    const length = Buffer.byteLength(body)
    res.writeHead(status, { ...headers, 'X-Request-Id': requestId, 'Content-Length': length }).end(body)
  }
  res.req.resume()
  return { status }
}

/** HEAD takes no effect and has no body to replay: it is passed on, whatever key it names. */
function isKeyed({ method, headers }: IncomingMessage): boolean {
  return method !== 'HEAD' && KEY_HEADERS.some((name) => headers[name] !== undefined)
}

/** Method and path as they came, without the query: the fingerprint has that. */
function scopeOf({ req }: StageContext, name: string | undefined): string {
  const { pathAndQuery } = splitTarget(req.url ?? '')
  const [path = ''] = pathAndQuery.split('?', 1)
  return `${name === undefined ? '' : `${name} `}${req.method} ${path}`
}

/** An answer under way when the stop began tells its client not to use the connection again. */
function closeWhenStopping(stopping: () => boolean): Stage {
  return async function closeWhenStopping(ctx, next) {
    try {
      await next()
    } finally {
      if (stopping()) ctx.set('Connection', 'close')
    }
  }
}

/** Health and metrics: the listener of --admin-port, or what stands under a prefix of the port. */
export function adminApp(
  { health: options, scrape, logger }: Pick<Parts, 'scrape' | 'logger'> & { health: HealthOptions },
  prefix = '',
): Koa<RequestState> {
  const router = new Router<RequestState>({ prefix })
  router.get('/livez', livez())
  router.get('/readyz', readyz(options))
  router.get('/health', health(options))
  router.get('/metrics', metricsPage(scrape))
  const report = (_: StageContext, error: unknown) => logger.error({ err: error }, 'a probe failed')
  const app = new Koa<RequestState>()
  app.use(requestId()).use(problems(report)).use(guard())
  app.use(router.routes()).use(router.allowedMethods())
  return app
}
