import Router from '@koa/router'
import Koa from 'koa'
import { auditLog } from '../internal/audit/audit-log.ts'
import { listAuditLogs } from '../internal/audit/audit-logs.ts'
import { type AuditedOptions, audited } from '../internal/audit/audited.ts'
import { watchTraffic } from '../internal/console/watch-traffic.ts'
import { ExactRoutes } from '../internal/http/exact-routes.ts'
import { acceptJson, guard } from '../internal/http/guard.ts'
import { health, livez, readyz } from '../internal/http/health.ts'
import { jsonBody, parsedJson } from '../internal/http/json-body.ts'
import { onDemand } from '../internal/http/on-demand.ts'
import { problems, renderProblem, turnEnd } from '../internal/http/problems.ts'
import { parsedBody, rawBody } from '../internal/http/raw-body.ts'
import { requestId } from '../internal/http/request-id.ts'
import { idempotency } from '../internal/idempotency/idempotency.ts'
import {
  type KeyGrammar,
  keyInBody,
  keyInHeader,
  knownKeyInBody,
} from '../internal/idempotency/idempotency-key.ts'
import { orderStore } from '../internal/orders/order-store.ts'
import { getOrder, listOrders, placeOrder } from '../internal/orders/orders.ts'
import { type Completer, startCompleter } from '../internal/payments/completer.ts'
import { countPaymentRequests } from '../internal/payments/count-payment-requests.ts'
import { knownPayment } from '../internal/payments/known-payment.ts'
import { isSimulatedFailure, pay } from '../internal/payments/pay.ts'
import { payOnce, settleMsOf } from '../internal/payments/pay-once.ts'
import { PAY_SCOPE } from '../internal/payments/payment.ts'
import { paymentStore } from '../internal/payments/payment-store.ts'
import { createPayment, getPayment, PAYMENTS_SCOPE, paymentAnswer } from '../internal/payments/payments.ts'
import { type AskedKey, readKey, takeDue } from '../internal/payments/read-payments.ts'
import type { RequestState, Stage, StageContext } from '../internal/request-state.ts'
import { apiKeys } from '../internal/signature/api-keys.ts'
import { authenticate } from '../internal/signature/authenticate.ts'
import type { ClientRegistry } from '../internal/signature/client-registry.ts'
import { TemporaryApiKeys } from '../internal/signature/temporary-api-keys.ts'
import { verifySignature } from '../internal/signature/verify-signature.ts'
import { inTurn } from '../internal/stages.ts'
import type { Metrics } from '../internal/telemetry/metrics.ts'
import { observe } from '../internal/telemetry/observe.ts'
import { traced } from '../internal/telemetry/spans.ts'
import { trace } from '../internal/telemetry/trace.ts'
import { type Config, isDemo } from './config.ts'
import { documents } from './documents.ts'
import { engine } from './key-engine.ts'
import { limits } from './limits.ts'
import { metricsPage } from './metrics-app.ts'
import { idsOf, type Parts } from './parts.ts'
import { retryConfig } from './retry-config.ts'

/** A client that sends a byte a second would hold a connection and a request for ever. */
export const BODY_TIMEOUT_MS = 15_000
/** The longest that a handler may hold its key. */
const MAX_HOLD_MS = 600_000
/** Of a payment's key: what every gateway takes, and long enough not to be met by chance. */
const PAYMENT_KEY = {
  pattern: /^[A-Za-z0-9_-]{16,255}$/,
  rule: 'it must be 16 to 255 characters of A-Z, a-z, 0-9, _ and -',
}

/** The order service. A request walks through the stages from top to bottom. */
export function pipeline(parts: Parts): Koa<RequestState> {
  const { config, clients, drain, logger, metrics, spans } = parts
  const spanned = traced(spans)
  const report = (ctx: StageContext, error: unknown) => {
    if (isSimulatedFailure(error)) return
    logger.error({ ...idsOf(ctx.state), err: error }, 'request failed')
  }
  const renderError = (ctx: StageContext, error: unknown) => renderProblem(ctx, error, report)

  const app = new Koa<RequestState>()
  app.proxy = config.trustProxy > 0
  app.maxIpsCount = config.trustProxy
  app.on('error', (error: unknown) => logger.warn({ err: error }, 'answer failed'))

  const entrance = [
    requestId(),
    trace({ spans, routeOf }),
    observe(metrics, logger, routeOf),
    problems(report, turnEnd),
    guard(),
  ]
  const serving = [
    ...(parts.traffic === undefined ? [] : [watchTraffic(parts.traffic, routeOf)]),
    drain.stage(),
    acceptJson(),
  ]
  const router = new Router<RequestState>()
  const exact = new ExactRoutes()
  const post = (path: string, ...stages: Stage[]) => {
    router.post(path, ...stages)
    exact.add('POST', path, [...serving, ...stages])
  }

  const bodyLimits = { maxBodyBytes: config.maxBodyBytes, timeoutMs: BODY_TIMEOUT_MS }
  const bytes = rawBody(bodyLimits)
  const signature = signatures(config, clients, metrics)
  const signed = [bytes, spanned.stage('signature', signature)] as const
  const keysInForce = new TemporaryApiKeys(apiKeys(config.apiKeys))
  const authentication = {
    verifySignature: signature,
    apiKeys: keysInForce,
    onAuthenticated: (scheme: string, result: string) => metrics.signatures.inc({ scheme, result }),
  }
  const authenticated = [bytes, spanned.stage('signature', authenticate(authentication))] as const
  // Its key is in the body, so that the body is parsed first: here the parser of Koa has its place.
  const payer = [
    parsedBody(bodyLimits),
    spanned.stage('signature', authenticate({ ...authentication, open: isDemo(config) })),
  ] as const
  const { limited, standing } = limits(parts, spanned, parts.limiter)
  // One for all routes: what shares a store shares its group commit.
  // What an earlier attempt left, an order or a payment, is found through its constraint.
  const keys = engine(parts, { onUnknown: 'takeover', maxAgeMs: MAX_HOLD_MS }, spanned)
  const keyed = (scope: string, keyOf: (ctx: StageContext) => string) =>
    idempotency({ engine: keys, scope, renderError, keyOf })
  const once = (scope: string, grammar?: KeyGrammar) =>
    keyed(scope, keyInHeader(['idempotency-key'], grammar))

  const orders = spanned.calls(
    orderStore(parts.database, {
      onBatch: (items) => metrics.batchItems.add({ group: 'orders' }, items),
    }),
    { place: 'order' },
  )
  post(
    '/orders',
    ...signed,
    limited('orders', 'POST /orders'),
    once('POST /orders'),
    jsonBody(),
    placeOrder({ orders, now: Date.now, onPlaced: () => metrics.orders.inc() }),
  )
  router.get('/orders', ...signed, limited('orders', 'GET /orders'), listOrders(orders))
  router.get('/orders/:id', ...signed, limited('orders', 'GET /orders/:id'), getOrder(orders))

  // Right behind authentication: it sees what every later stage refuses.
  const watched = (route: string, from: Pick<AuditedOptions, 'keyOf'> = {}) =>
    audited({ route, observe: (seen) => parts.observations.add(seen), ...from })
  const counted = countPaymentRequests({
    onRequest: () => metrics.paymentRequests.inc(),
    onFailed: () => metrics.paymentRequestsFailed.inc(),
  })
  const readPayment = (of: AskedKey) => readKey(parts.database, of)
  const known = knownPayment(readPayment)
  const payment = payOnce({
    ...{
      readKey: readPayment,
      store: payments(parts),
      gateway: spanned.calls(parts.gateway, { charge: 'payment gateway', find: 'payment lookup' }),
      now: Date.now,
    },
    answer: paymentAnswer,
    onSettled: ({ state }) => metrics.payments.inc({ status: state }),
    onTrouble: ({ client, id, reason, cause }) =>
      logger.warn(
        { client, transaction_id: id, reason, err: cause },
        'the payment gateway did not do its part',
      ),
  })
  post(
    '/pay',
    ...payer,
    watched(PAY_SCOPE, { keyOf: knownKeyInBody('idempotency_key') }),
    limited('pay', PAY_SCOPE),
    counted,
    parsedJson(),
    keyed(PAY_SCOPE, keyInBody('idempotency_key')),
    pay({ payOnce: payment, known, failureRate: config.simulatedFailureRate, random: Math.random }),
  )
  post(
    '/api/v1/payments',
    ...authenticated,
    watched(PAYMENTS_SCOPE),
    limited('v1', PAYMENTS_SCOPE),
    counted,
    once(PAYMENTS_SCOPE, PAYMENT_KEY),
    jsonBody(),
    createPayment({ pay: payment, known }),
  )
  router.get(
    '/api/v1/payments/:transaction_id',
    ...authenticated,
    limited('v1', 'GET /api/v1/payments/:transaction_id'),
    getPayment(parts.database),
  )
  if (isDemo(config)) {
    const simulation = async () => (await import('./simulate-concurrent.ts')).simulateConcurrent(keysInForce)
    router.post('/api/v1/simulate-concurrent', bytes, jsonBody({ absent: {} }), onDemand(simulation))
  }
  router.get('/api/v1/rate-limits', ...authenticated, standing('v1', PAYMENTS_SCOPE))
  const trail = auditLog(parts.database)
  router.get(
    '/api/v1/audit-logs',
    ...authenticated,
    limited('v1', 'GET /api/v1/audit-logs'),
    listAuditLogs(trail),
  )

  // Health checks, documents and the console answer whatever the state of the service.
  app.use(inTurn([...entrance, exact.stage()])).use(open(parts).routes())
  if (parts.console !== undefined && config.metricsPort === undefined) app.use(parts.console.routes())
  app.use(inTurn(serving)).use(router.routes()).use(router.allowedMethods())
  return app
}

/** What settles, in the background, the payments that a crash or a timeout left open. */
export function completer(parts: Parts): Completer {
  const { database, gateway, logger, metrics } = parts
  return startCompleter({
    ...{ store: payments(parts), gateway, answer: paymentAnswer, random: Math.random },
    takeDue: (take) => takeDue(database, take),
    onSettled({ client, id, state }) {
      metrics.payments.inc({ status: state })
      logger.info({ client, transaction_id: id, state }, 'a payment that was left open is settled')
    },
    onTrouble: (error) =>
      logger.warn({ err: error }, 'payments that were left open could not be asked about'),
  })
}

function payments({ config, database, metrics }: Parts) {
  return paymentStore(database, {
    settleMs: settleMsOf(config.gatewayTimeoutMs),
    onBatch: (step, items) => metrics.batchItems.add({ group: `payment_${step}` }, items),
  })
}

/** Routes for everybody: they answer while the service drains, and without Accept. */
function open(parts: Parts): Router<RequestState> {
  const { config, health: options, scrape } = parts
  const router = new Router<RequestState>()
  router.get('/livez', livez())
  router.get('/readyz', readyz(options))
  router.get('/health', health(options))
  if (config.metricsPort === undefined) router.get('/metrics', metricsPage(scrape))
  router.get('/api/v1/retry-config', retryConfig())
  documents(router, config)
  return router
}

export function signatures(config: Config, registry: ClientRegistry, metrics: Metrics): Stage {
  return verifySignature({
    registry,
    minScheme: config.minScheme,
    toleranceMs: config.signatureToleranceMs,
    hints: config.signatureHints,
    now: Date.now,
    onVerified: (scheme, result) => metrics.signatures.inc({ scheme, result }),
  })
}

/** The pattern that matched: one of the routes above, so that metrics stay few. */
function routeOf(ctx: StageContext): string {
  return '_matchedRoute' in ctx && typeof ctx._matchedRoute === 'string' ? ctx._matchedRoute : 'unmatched'
}
