import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import Koa from 'koa'
import type { Traffic } from '../../internal/console/traffic.ts'
import { watchTraffic } from '../../internal/console/watch-traffic.ts'
import { compose, middleware } from '../../internal/core/compose.ts'
import { KEY_HEADERS } from '../../internal/core/header-values.ts'
import type { Middleware, MiddlewareContext, RequestState } from '../../internal/core/request-state.ts'
import type { CrossOriginOptions } from '../../internal/http/cross-origin.ts'
import { guard } from '../../internal/http/guard.ts'
import { health, livez, readyz } from '../../internal/http/health.ts'
import { problems, renderProblem, turnEnd } from '../../internal/http/problems.ts'
import { rawBody } from '../../internal/http/raw-body.ts'
import { requestId, requestIdOf } from '../../internal/http/request-id.ts'
import type { ServedRoute } from '../../internal/http/route-map.ts'
import { idempotency } from '../../internal/idempotency/idempotency.ts'
import { keyInHeader } from '../../internal/idempotency/idempotency-key.ts'
import type { Lookup } from '../../internal/idempotency/lookups.ts'
import type { Backend } from '../../internal/proxy/backend.ts'
import { forward, forwardOnce } from '../../internal/proxy/forward.ts'
import { lookUp } from '../../internal/proxy/lookup.ts'
import { lookupAddress } from '../../internal/proxy/lookup-address.ts'
import { boundCredentials, nameCaller } from '../../internal/proxy/name-caller.ts'
import { isRecorded } from '../../internal/proxy/response-headers.ts'
import { checkForwardable, splitTarget } from '../../internal/proxy/target.ts'
import { selectorsOf } from '../../internal/proxy/telling-headers.ts'
import type { Limiter } from '../../internal/ratelimit/limiter.ts'
import type { OwnLimits } from '../../internal/ratelimit/rate-limits.ts'
import type { ClientRegistry } from '../../internal/signature/client-registry.ts'
import { observe } from '../../internal/telemetry/observe.ts'
import { type Spans, traced } from '../../internal/telemetry/spans.ts'
import { trace as traceMiddleware } from '../../internal/telemetry/trace.ts'
import { idsOf, type ServingDependencies } from '../runtime/dependencies.ts'
import { engine } from '../runtime/key-engine.ts'
import { limited } from '../runtime/limits.ts'
import { metricsPage, operatorApp } from '../runtime/metrics-app.ts'
import { BODY_TIMEOUT_MS, signatures } from '../runtime/signatures.ts'
import { ownCrossOrigin } from './own-cross-origin.ts'
import { passOn, ROUTE } from './pass-on.ts'
import { ADMIN_PREFIX, type ProxyConfig, type SidecarSettings } from './proxy-config.ts'
import { sendProblem } from './send-problem.ts'

export interface ProxyDependencies extends ServingDependencies {
  config: SidecarSettings
  proxy: ProxyConfig
  /** undefined: signatures are not checked. */
  clients: ClientRegistry | undefined
  backend: Backend
  /** undefined: no spans are recorded. */
  spans: Spans | undefined
  limiter: Limiter
  /** undefined: there is no registry of clients. */
  ownLimits: OwnLimits | undefined
  /** The routes of the operator's console; none: it is not served. */
  console: readonly ServedRoute[]
  /** Counts requests for the console. */
  traffic: Traffic | undefined
}

/** Requests with a key, or to be checked, pass the middleware; all others are passed on at once, observed in the same way. */
export function proxyListener(dependencies: ProxyDependencies): RequestListener {
  const { proxy, drain, clients, config } = dependencies
  const staged = middlewares(dependencies).callback()
  const pages = pagesOf(config)
  const { backend, logger, metrics, traffic } = dependencies
  const plain = passOn({ backend, drain, logger, metrics, traffic, pages })
  const admin = proxy.adminPort === undefined ? adminApp(dependencies, ADMIN_PREFIX).callback() : undefined
  // Only the middleware waits for the end of the request, at which its span ends.
  const allStaged =
    dependencies.spans !== undefined || clients !== undefined || (config.rateLimits ?? []).length > 0
  // A request counts until its response and its work have ended: the work goes on when the client leaves.
  async function throughMiddleware(req: IncomingMessage, res: ServerResponse): Promise<void> {
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
      return void sendProblem(res, error, requestIdOf(req), pages)
    }
    const isStaged =
      allStaged ||
      isKeyed(req) ||
      proxy.requireKey.has(req.method ?? '') ||
      (pages !== undefined && req.method === 'OPTIONS')
    if (isStaged) void throughMiddleware(req, res)
    else plain(req, res)
  }
}

function middlewares(dependencies: ProxyDependencies): Koa<RequestState> {
  const { proxy, config, clients, backend, drain, logger, metrics, spans, traffic } = dependencies
  const spanned = traced(spans)
  const report = (ctx: MiddlewareContext, error: unknown) =>
    logger.error({ ...idsOf(ctx.state), err: error }, 'request failed')
  const app = new Koa<RequestState>()
  app.proxy = config.trustProxy > 0
  app.maxIpsCount = config.trustProxy
  app.on('error', (error: unknown) => logger.warn({ err: error }, 'the response failed'))

  const body = rawBody({ maxBodyBytes: config.maxBodyBytes, timeoutMs: BODY_TIMEOUT_MS, anyEncoding: true })
  const caller =
    clients === undefined ? [nameCaller(proxy.caller)] : [body, signatures(config, clients, metrics)]

  const bodyOnce: Middleware = (ctx, next) => (ctx.state.body === undefined ? body(ctx, next) : next())
  const once = idempotency({
    engine: engine(
      dependencies,
      {
        onUnknown: proxy.onUnknown === 'hold' ? 'hold' : 'takeover',
        // A second limit: the forwarder ends what takes too long.
        maxAgeMs: proxy.maxDurationMs + config.idempotencyLeaseMs,
        ...lookupOf(proxy, config.maxResponseBytes),
      },
      spanned,
    ),
    scope: (ctx) => scopeOf(ctx, proxy),
    renderError: (ctx, error) => renderProblem(ctx, error, report),
    keyOf: keyInHeader(KEY_HEADERS),
    alsoFingerprinted: selectorsOf,
    credentialsOf: boundCredentials,
    isRecorded,
  })
  const { on5xx, onUnknown, maxDurationMs } = proxy
  const { maxResponseBytes } = config
  const sendOnce = forwardOnce({
    backend,
    maxResponseBytes,
    maxDurationMs,
    on5xx,
    onUnknown,
    onTrouble: (ctx, reason, cause) =>
      logger.warn({ ...idsOf(ctx.state), reason, err: cause }, 'the outcome of a request is not known'),
  })
  const pass = spanned.middleware('backend', forward(backend))
  const pages = pagesOf(config)
  const keyed = compose([bodyOnce, once, spanned.middleware('backend', sendOnce)])
  const send: Middleware = (ctx, next) =>
    isKeyed(ctx.req) || proxy.requireKey.has(ctx.method) ? keyed(ctx, next) : pass(ctx, next)
  return app.use(
    compose([
      requestId(),
      traceMiddleware({ spans, routeOf: () => ROUTE }),
      observe(metrics, logger, () => ROUTE),
      ...(traffic === undefined ? [] : [watchTraffic(traffic, (ctx) => scopeOf(ctx, proxy))]),
      ...(pages === undefined ? [] : [ownCrossOrigin(pages)]),
      problems(report, turnEnd),
      closeWhenStopping(() => drain.stopping),
      guard({ checkTarget: checkForwardable }),
      ...caller,
      limited(
        dependencies,
        dependencies.limiter,
        { group: 'proxy', scope: ROUTE, takesEffect: true },
        dependencies.ownLimits,
      ),
      send,
    ]),
  )
}

function lookupOf({ lookupUrl: url, maxDurationMs }: ProxyConfig, maxResponseBytes: number) {
  if (url === undefined) return {}
  const addressOf = lookupAddress(url)
  const lookup: Lookup = (id, unknown, signal) =>
    lookUp({ addressOf, maxResponseBytes, maxDurationMs }, { ...id, ...unknown }, signal)
  return { lookup }
}

/** The pages that may read responses of the sidecar; they send cookies to the backend. */
function pagesOf({ allowedOrigins }: ProxyDependencies['config']): CrossOriginOptions | undefined {
  return allowedOrigins.length === 0 ? undefined : { origins: new Set(allowedOrigins), credentials: true }
}

/** RFC 9110, 9.2.1. */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Safe methods are passed on, also with a key. */
function isKeyed({ method = '', headers }: IncomingMessage): boolean {
  return !SAFE_METHODS.has(method) && KEY_HEADERS.some((name) => headers[name] !== undefined)
}

/** Method and path as they came. With the host for a backend that gets it: it may serve several, each with its own keys. */
function scopeOf({ req }: MiddlewareContext, { name, preserveHost }: ProxyConfig): string {
  const { pathAndQuery, host = req.headers.host } = splitTarget(req.url ?? '')
  const [path = ''] = pathAndQuery.split('?', 1)
  const at = preserveHost && host !== undefined ? `//${host.toLowerCase()}` : ''
  return `${name === undefined ? '' : `${name} `}${req.method} ${at}${path}`
}

/** During a stop each response asks its client to close the connection. */
function closeWhenStopping(stopping: () => boolean): Middleware {
  return middleware(
    function closeWhenStopping() {
      return undefined
    },
    function closed(ctx, thrown) {
      if (stopping()) ctx.set('Connection', 'close')
      return thrown
    },
  )
}

/** Health, metrics and the console, on --admin-port or under a prefix of the port. */
export function adminApp(
  {
    health: options,
    scrape,
    logger,
    console,
  }: Pick<ProxyDependencies, 'health' | 'scrape' | 'logger' | 'console'>,
  prefix = '',
): Koa<RequestState> {
  const page = (path: string, middleware: Middleware): ServedRoute => ({
    method: 'GET',
    path: `${prefix}${path}`,
    middlewares: [middleware],
  })
  const routes = [
    page('/livez', livez()),
    page('/readyz', readyz(options)),
    page('/health', health(options)),
    page('/metrics', metricsPage(scrape)),
    ...console,
  ]
  return operatorApp(routes, logger, 'a probe failed')
}
