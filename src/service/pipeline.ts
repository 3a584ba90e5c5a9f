import Koa from 'koa'
import { compose } from '../../internal/core/compose.ts'
import type { Middleware, MiddlewareContext, RequestState } from '../../internal/core/request-state.ts'
import { crossOrigin } from '../../internal/http/cross-origin.ts'
import { guard } from '../../internal/http/guard.ts'
import { problems, renderProblem, turnEnd } from '../../internal/http/problems.ts'
import { requestId } from '../../internal/http/request-id.ts'
import { RouteMap, routeFound, type ServedRoute } from '../../internal/http/route-map.ts'
import { isSimulatedFailure } from '../../internal/payments/pay.ts'
import { apiKeys, TemporaryApiKeys } from '../../internal/signature/api-keys.ts'
import { observe } from '../../internal/telemetry/observe.ts'
import { trace } from '../../internal/telemetry/trace.ts'
import { idsOf } from '../runtime/dependencies.ts'
import type { ServiceDependencies } from './dependencies.ts'
import { handlers } from './handlers.ts'
import { middlewares } from './middleware.ts'
import { isServed, ROUTES } from './routes.ts'

/** The service: entrance, then the middlewares of the route by its row in routes.ts (middleware.ts), then the handler. */
export function pipeline(dependencies: ServiceDependencies): Koa<RequestState> {
  const { config, logger, metrics, spans } = dependencies
  const report = (ctx: MiddlewareContext, error: unknown) => {
    if (isSimulatedFailure(error)) return
    logger.error({ ...idsOf(ctx.state), err: error }, 'request failed')
  }
  const entrance = [
    requestId(),
    trace({ spans, routeOf: routeFound }),
    observe(metrics, logger, routeFound),
    problems(report, turnEnd),
    ...(config.allowedOrigins.length === 0
      ? []
      : [crossOrigin({ origins: new Set(config.allowedOrigins), credentials: false })]),
    guard(),
  ]
  const keysInForce = new TemporaryApiKeys(apiKeys(config.apiKeys))
  const { serving, of } = middlewares(dependencies, {
    apiKeys: keysInForce,
    renderError: (ctx, error) => renderProblem(ctx, error, report),
  })
  const byOperation = new Map<string, Middleware>(Object.entries(handlers(dependencies, keysInForce)))
  const served = ROUTES.filter((route) => isServed(route, config)).flatMap((route): ServedRoute[] => {
    const handler = byOperation.get(route.operation)
    // The handlers of the console are in console.ts.
    return handler === undefined
      ? []
      : [{ method: route.method, path: route.path, middlewares: of(route, handler) }]
  })
  const routes = new RouteMap([...served, ...(config.metricsPort === undefined ? dependencies.console : [])])

  const app = new Koa<RequestState>()
  app.proxy = config.trustProxy > 0
  app.maxIpsCount = config.trustProxy
  app.on('error', (error: unknown) => logger.warn({ err: error }, 'the response failed'))
  app.use(compose([...entrance, routes.exact()])).use(routes.patterns())
  // For unknown routes.
  app.use(compose(serving)).use(routes.allowedMethods())
  return app
}
