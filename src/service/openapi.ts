import * as audit from '../../internal/audit/openapi.ts'
import type { Middleware } from '../../internal/core/request-state.ts'
import * as docs from '../../internal/docs/openapi.ts'
import * as endpoints from '../../internal/events/endpoints-openapi.ts'
import { eventsApi, listEventsOperation } from '../../internal/events/openapi.ts'
import { cachedResponse, sendCached } from '../../internal/http/cached-response.ts'
import * as http from '../../internal/http/openapi.ts'
import { bodyKeyApi, idempotencyApi, strictKeyApi } from '../../internal/idempotency/openapi.ts'
import type { MiddlewareApi, Operation, RoomApi } from '../../internal/openapi/describe.ts'
import { openApiDocument } from '../../internal/openapi/document.ts'
import * as orders from '../../internal/orders/openapi.ts'
import * as payments from '../../internal/payments/openapi.ts'
import * as limits from '../../internal/ratelimit/openapi.ts'
import { authenticateApi, openApi, signatureApi } from '../../internal/signature/openapi.ts'
import type { Config } from '../config/config.ts'
import { isDemo } from '../config/demo.ts'
import { VERSION } from '../package-root.ts'
import { describeWebhooks } from './openapi-webhooks.ts'
import { type DocumentedOperation, isServed, ROUTES, type Route } from './routes.ts'

interface Described {
  room: RoomApi
  operation: Operation
}

/** The description of each operation in its room. */
const OPERATIONS: Readonly<Record<DocumentedOperation, Described>> = {
  placeOrder: { room: orders.ordersApi, operation: orders.placeOrderOperation },
  listOrders: { room: orders.ordersApi, operation: orders.listOrdersOperation },
  getOrder: { room: orders.ordersApi, operation: orders.getOrderOperation },
  createPayment: { room: payments.paymentsApi, operation: payments.createPaymentOperation },
  listPayments: { room: payments.paymentsApi, operation: payments.listPaymentsOperation },
  getPayment: { room: payments.paymentsApi, operation: payments.getPaymentOperation },
  pay: { room: payments.paymentsApi, operation: payments.payOperation },
  simulateConcurrent: { room: payments.paymentsApi, operation: payments.simulateConcurrentOperation },
  getRateLimits: { room: limits.limitsApi, operation: limits.rateLimitsOperation },
  getRetryConfig: { room: limits.limitsApi, operation: limits.retryConfigOperation },
  listAuditLogs: { room: audit.auditApi, operation: audit.listAuditLogsOperation },
  listEvents: { room: eventsApi, operation: listEventsOperation },
  addWebhookEndpoint: { room: endpoints.webhooksApi, operation: endpoints.addWebhookEndpointOperation },
  listWebhookEndpoints: { room: endpoints.webhooksApi, operation: endpoints.listWebhookEndpointsOperation },
  getWebhookEndpoint: { room: endpoints.webhooksApi, operation: endpoints.getWebhookEndpointOperation },
  removeWebhookEndpoint: { room: endpoints.webhooksApi, operation: endpoints.removeWebhookEndpointOperation },
  rotateWebhookEndpoint: { room: endpoints.webhooksApi, operation: endpoints.rotateWebhookEndpointOperation },
  isAlive: { room: http.healthApi, operation: http.livezOperation },
  isReady: { room: http.healthApi, operation: http.readyzOperation },
  getHealth: { room: http.healthApi, operation: http.healthOperation },
  getMetrics: { room: http.healthApi, operation: http.metricsOperation },
  getDocs: { room: docs.docsApi, operation: docs.docsOperation },
  getOpenApi: { room: docs.docsApi, operation: docs.openApiOperation },
  listProblems: { room: docs.docsApi, operation: docs.problemsOperation },
  getProblem: { room: docs.docsApi, operation: docs.problemOperation },
}

const DESCRIPTION = `An order and payment service whose partners sign their requests with HMAC-SHA256. A request with an idempotency
key takes effect once: however often it is retried, there is one order, or one charge, and one response.

Errors are problem documents (RFC 9457). Go by their \`code\`; the [error catalogue](/problems) says what each means and
what to do. Money is never computed in binary floating point, so read amounts as decimals.`

/** `GET /openapi.json`. */
export function openApiPage(config: Config): Middleware {
  const response = cachedResponse('application/json; charset=utf-8', JSON.stringify(describeApi(config)))
  return async function openApiPage(ctx) {
    // It holds no secrets: tools on any site may read it.
    ctx.set('Access-Control-Allow-Origin', '*')
    ctx.set('X-Content-Type-Options', 'nosniff')
    sendCached(ctx, response)
  }
}

/** The document of the routes that a service with these settings has. */
export function describeApi({
  metricsPort,
  production = false,
  host = '127.0.0.1',
}: Pick<Config, 'metricsPort'> & Partial<Pick<Config, 'production' | 'host'>>): Record<string, unknown> {
  const config = { metricsPort, production, host }
  const described = new Map<string, Described>(Object.entries(OPERATIONS))
  const routes = ROUTES.filter((route) => isServed(route, config)).flatMap((route) => {
    const own = described.get(route.operation)
    if (own === undefined) return []
    const { method, path, operation: id, query = [] } = route
    return [{ id, method, path, query, middlewares: middlewareOf(route, isDemo(config)), ...own }]
  })
  const info = {
    title: 'oncekey',
    version: VERSION,
    summary: 'Signed requests that take effect once',
    description: DESCRIPTION,
    license: { name: 'MIT', identifier: 'MIT' },
  }
  return openApiDocument(info, routes, describeWebhooks())
}

const KEYS = { header: idempotencyApi, 'strict header': strictKeyApi, body: bodyKeyApi }

/** The descriptions of what middleware.ts puts in front of a route. */
function middlewareOf(
  { when = 'serving', auth, limits: limited, key, json }: Route,
  demo: boolean,
): MiddlewareApi[] {
  const passed: MiddlewareApi[] = [http.edgeApi]
  if (when === 'serving' || when === 'demo') passed.push(http.workApi)
  if (auth !== undefined || json !== undefined) passed.push(http.rawBodyApi)
  if (auth === 'signature') passed.push(signatureApi)
  if (auth === 'caller') passed.push(authenticateApi)
  if (auth === 'payer') passed.push(demo ? openApi : authenticateApi)
  if (limited !== undefined) passed.push(limits.rateLimitApi)
  if (key === 'body') passed.push(http.jsonBodyApi)
  if (key !== undefined) passed.push(KEYS[key])
  if (json !== undefined && key !== 'body') passed.push(http.jsonBodyApi)
  return passed
}
