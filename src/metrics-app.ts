import Router from '@koa/router'
import Koa from 'koa'
import { Registry } from 'prom-client'
import { guard } from '../internal/http/guard.ts'
import { problems } from '../internal/http/problems.ts'
import { requestId } from '../internal/http/request-id.ts'
import type { RequestState, Stage, StageContext } from '../internal/request-state.ts'
import type { Logger } from '../internal/telemetry/logger.ts'

/** Prometheus text 0.0.4. */
export type Scrape = () => Promise<string>

/** The private listener of METRICS_PORT; `console`: the operator's, where there is one. */
export function metricsApp(
  scrape: Scrape,
  logger: Logger,
  console?: Router<RequestState>,
): Koa<RequestState> {
  const router = new Router<RequestState>()
  router.get('/metrics', metricsPage(scrape))
  const report = (_: StageContext, error: unknown) => logger.error({ err: error }, 'metrics failed')
  const app = new Koa<RequestState>()
  app.use(requestId()).use(problems(report)).use(guard())
  if (console !== undefined) app.use(console.routes())
  app.use(router.routes()).use(router.allowedMethods())
  return app
}

export function metricsPage(scrape: Scrape): Stage {
  return async function metricsPage(ctx) {
    ctx.set('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
    ctx.body = await scrape()
  }
}
