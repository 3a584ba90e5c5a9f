import Koa from 'koa'
import { Registry } from 'prom-client'
import type { Middleware, MiddlewareContext, RequestState } from '../../internal/core/request-state.ts'
import { guard } from '../../internal/http/guard.ts'
import { problems } from '../../internal/http/problems.ts'
import { requestId } from '../../internal/http/request-id.ts'
import { RouteMap, type ServedRoute } from '../../internal/http/route-map.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'

/** Prometheus text 0.0.4. */
export type Scrape = () => Promise<string>

/** The private listener of METRICS_PORT, with the routes of the operator's console where there is one. */
export function metricsApp(
  scrape: Scrape,
  logger: Logger,
  console: readonly ServedRoute[] = [],
): Koa<RequestState> {
  const metrics: ServedRoute = { method: 'GET', path: '/metrics', middlewares: [metricsPage(scrape)] }
  return operatorApp([metrics, ...console], logger, 'metrics failed')
}

/** Routes for operators, without limits and metrics. `trouble`: the log message for an error. */
export function operatorApp(
  served: readonly ServedRoute[],
  logger: Logger,
  trouble: string,
): Koa<RequestState> {
  const routes = new RouteMap(served)
  const report = (_: MiddlewareContext, error: unknown) => logger.error({ err: error }, trouble)
  const app = new Koa<RequestState>()
  app.use(requestId()).use(problems(report)).use(guard())
  app.use(routes.exact()).use(routes.patterns()).use(routes.allowedMethods())
  return app
}

export function metricsPage(scrape: Scrape): Middleware {
  return async function metricsPage(ctx) {
    ctx.set('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
    ctx.body = await scrape()
  }
}
