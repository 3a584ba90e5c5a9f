import Router from '@koa/router'
import Koa from 'koa'
import type { Database } from '../internal/database/database.ts'
import type { RedisConnection } from '../internal/database/redis.ts'
import type { Drain } from '../internal/http/drain.ts'
import { acceptJson, guard } from '../internal/http/guard.ts'
import { type HealthOptions, health, livez, readyz } from '../internal/http/health.ts'
import { jsonBody } from '../internal/http/json-body.ts'
import { onDemand } from '../internal/http/on-demand.ts'
import { problems, renderProblem } from '../internal/http/problems.ts'
import { rawBody } from '../internal/http/raw-body.ts'
import { requestId } from '../internal/http/request-id.ts'
import { IdempotencyEngine } from '../internal/idempotency/engine.ts'
import { idempotency } from '../internal/idempotency/idempotency.ts'
import { postgresStore } from '../internal/idempotency/postgres-store.ts'
import { redisStore } from '../internal/idempotency/redis-store.ts'
import { timedStore } from '../internal/idempotency/timed-store.ts'
import { orderStore } from '../internal/orders/order-store.ts'
import { getOrder, listOrders, placeOrder } from '../internal/orders/orders.ts'
import type { Limiter } from '../internal/ratelimit/limiter.ts'
import { MemoryLimiter } from '../internal/ratelimit/memory-limiter.ts'
import { OutageLimiter } from '../internal/ratelimit/outage-limiter.ts'
import { rateLimit } from '../internal/ratelimit/rate-limit.ts'
import { parseRateLimits } from '../internal/ratelimit/rate-limits.ts'
import { RedisLimiter } from '../internal/ratelimit/redis-limiter.ts'
import type { RequestState, StageContext } from '../internal/request-state.ts'
import type { ClientRegistry } from '../internal/signature/client-registry.ts'
import { verifySignature } from '../internal/signature/verify-signature.ts'
import type { Logger } from '../internal/telemetry/logger.ts'
import type { Metrics } from '../internal/telemetry/metrics.ts'
import { observe } from '../internal/telemetry/observe.ts'
import { type Spans, type Traced, traced } from '../internal/telemetry/spans.ts'
import { trace } from '../internal/telemetry/trace.ts'
import { type Config, DEMO_SECRET } from './config.ts'
import { metricsPage, type Scrape } from './metrics-app.ts'

/** What the pipeline is made of: connections and collectors, opened by whoever runs it. */
export interface Parts {
  config: Config
  clients: ClientRegistry
  database: Database
  redis: RedisConnection | undefined
  drain: Drain
  health: HealthOptions
  logger: Logger
  metrics: Metrics
  /** The text for `/metrics`: of this process, or of all workers. */
  scrape: Scrape
  /** undefined: no spans are recorded. */
  spans: Spans | undefined
}

/** A client that sends a byte a second would hold a connection and a request for ever. */
const BODY_TIMEOUT_MS = 15_000
/** The longest that a handler may hold its key. */
const MAX_HOLD_MS = 600_000
const ORDER_LIMITS = parseRateLimits('client=10/60s')

/** The order service. A request walks through the stages from top to bottom. */
export function pipeline(parts: Parts): Koa<RequestState> {
  const { config, clients, drain, logger, metrics, spans } = parts
  const spanned = traced(spans)
  const report = (ctx: StageContext, error: unknown) =>
    logger.error(
      {
        request_id: ctx.state.requestId,
        trace_id: ctx.state.trace?.traceId,
        span_id: ctx.state.trace?.spanId,
        err: error,
      },
      'request failed',
    )
  const renderError = (ctx: StageContext, error: unknown) => renderProblem(ctx, error, report)

  const app = new Koa<RequestState>()
  app.proxy = config.trustProxy > 0
  app.maxIpsCount = config.trustProxy
  app.on('error', (error: unknown) => logger.warn({ err: error }, 'answer failed'))

  const router = new Router<RequestState>()
  app
    .use(requestId())
    .use(trace({ spans, routeOf }))
    .use(observe(metrics, logger, routeOf))
    .use(problems(report))
    .use(guard())
  app.use(open(parts).routes())
  app.use(drain.stage()).use(acceptJson())
  app.use(router.routes()).use(router.allowedMethods())

  const signed = [
    rawBody({ maxBodyBytes: config.maxBodyBytes, timeoutMs: BODY_TIMEOUT_MS }),
    spanned.stage(
      'signature',
      verifySignature({
        registry: clients,
        minScheme: config.minScheme,
        toleranceMs: config.signatureToleranceMs,
        hints: config.signatureHints,
        now: Date.now,
        onVerified: (scheme, result) => metrics.signatures.inc({ scheme, result }),
      }),
    ),
  ] as const
  const limited = limits(parts, spanned)
  // One for all routes: what shares a store shares its group commit.
  const keys = engine(parts, spanned)
  const once = (scope: string) => idempotency({ engine: keys, scope, renderError })

  const orders = spanned.calls(orderStore(parts.database), { place: 'order' })
  router.post(
    '/orders',
    ...signed,
    limited('POST /orders'),
    once('POST /orders'),
    jsonBody(),
    placeOrder({ orders, now: Date.now, onPlaced: () => metrics.orders.inc() }),
  )
  router.get('/orders', ...signed, limited('GET /orders'), listOrders(orders))
  router.get('/orders/:id', ...signed, limited('GET /orders/:id'), getOrder(orders))
  return app
}

/** Routes for everybody: they answer while the service drains, and without Accept. */
function open(parts: Parts): Router<RequestState> {
  const { config, health: options, scrape } = parts
  const router = new Router<RequestState>()
  router.get('/livez', livez())
  router.get('/readyz', readyz(options))
  router.get('/health', health(options))
  if (config.metricsPort === undefined) router.get('/metrics', metricsPage(scrape))
  documents(router, config)
  return router
}

/** What describes the API. It is loaded when somebody reads it. */
function documents(router: Router<RequestState>, config: Config): void {
  const problemPages = () => import('../internal/docs/problem-pages.ts')
  const docsPages = () => import('../internal/docs/docs-page.ts')
  // The page signs as the client for partners does.
  const signer = new URL('./client/signer.js', import.meta.url)
  const hint = config.hmacSecret === DEMO_SECRET ? `Demo mode: the secret is ${DEMO_SECRET}.` : ''
  router.get(
    '/problems',
    onDemand(async () => (await problemPages()).problemsPage()),
  )
  router.get(
    '/problems/:code',
    onDemand(async () => (await problemPages()).problemPage()),
  )
  router.get(
    '/openapi.json',
    onDemand(async () => (await import('./openapi.ts')).openApiPage(config)),
  )
  router.get(
    '/docs',
    onDemand(async () => (await docsPages()).docsPage({ hint })),
  )
  router.get(
    '/docs/:file',
    onDemand(async () => (await docsPages()).docsFile({ signer })),
  )
}

function engine({ config, database, redis, logger, metrics }: Parts, spanned: Traced): IdempotencyEngine {
  const ttlMs = config.idempotencyTtlMs
  const store =
    config.idempotencyStore === 'redis' && redis !== undefined
      ? redisStore(redis, { ttlMs })
      : postgresStore(database, { ttlMs })
  return new IdempotencyEngine({
    store: timedStore(
      spanned.calls(store, { claim: 'claim', complete: 'complete', release: 'release' }),
      (operation, seconds) =>
        metrics.storeDuration.observe({ store: config.idempotencyStore, operation }, seconds),
    ),
    leaseMs: config.idempotencyLeaseMs,
    maxAgeMs: MAX_HOLD_MS,
    // An order that an earlier attempt placed is found through its constraint.
    onUnknown: 'takeover',
    onOutcome(outcome) {
      metrics.idempotencyOutcomes.inc({ outcome })
      if (outcome === 'replay') metrics.replays.inc()
      if (outcome === 'in_progress') metrics.conflicts.inc()
    },
    onTrouble: (verb, id, reason) =>
      logger.warn(
        { verb, client: id.client, scope: id.scope, err: reason },
        'the record of a key was not settled',
      ),
  })
}

function limits({ config, redis, logger, metrics }: Parts, spanned: Traced) {
  const local = new MemoryLimiter({ now: Date.now })
  const limiter: Limiter =
    redis === undefined
      ? local
      : new OutageLimiter({
          limiter: new RedisLimiter(redis),
          onOutage: config.rateLimitOnOutage,
          local,
          onChange: (outage, cause) =>
            logger.warn({ err: cause }, `the outage of the rate limiter ${outage}`),
        })
  const group = config.rateLimits === undefined ? 'orders' : 'all'
  return (route: string) =>
    spanned.stage(
      'limit',
      rateLimit({
        limiter,
        limits: config.rateLimits ?? ORDER_LIMITS,
        group,
        route,
        onDecision(scope, decision) {
          metrics.rateLimitDecisions.inc({ scope, decision })
          if (decision === 'refused') metrics.rateLimitExceeded.inc()
        },
      }),
    )
}

/** The pattern that matched: one of the routes above, so that metrics stay few. */
function routeOf(ctx: StageContext): string {
  return '_matchedRoute' in ctx && typeof ctx._matchedRoute === 'string' ? ctx._matchedRoute : 'unmatched'
}
