import { auditApi, listAuditLogsOperation } from '../../internal/audit/openapi.ts'
import type { Middleware } from '../../internal/core/request-state.ts'
import {
  docsApi,
  docsOperation,
  openApiOperation,
  problemOperation,
  problemsOperation,
} from '../../internal/docs/openapi.ts'
import {
  addWebhookEndpointOperation,
  getWebhookEndpointOperation,
  listWebhookEndpointsOperation,
  removeWebhookEndpointOperation,
  rotateWebhookEndpointOperation,
  webhooksApi,
} from '../../internal/events/endpoints-openapi.ts'
import { eventsApi, listEventsOperation } from '../../internal/events/openapi.ts'
import { cachedResponse, sendCached } from '../../internal/http/cached-response.ts'
import {
  edgeApi,
  healthApi,
  healthOperation,
  jsonBodyApi,
  livezOperation,
  metricsOperation,
  rawBodyApi,
  readyzOperation,
  workApi,
} from '../../internal/http/openapi.ts'
import { bodyKeyApi, idempotencyApi, strictKeyApi } from '../../internal/idempotency/openapi.ts'
import type { MiddlewareApi, Operation, RoomApi } from '../../internal/openapi/describe.ts'
import { openApiDocument } from '../../internal/openapi/document.ts'
import {
  getOrderOperation,
  listOrdersOperation,
  ordersApi,
  placeOrderOperation,
} from '../../internal/orders/openapi.ts'
import {
  createPaymentOperation,
  getPaymentOperation,
  listPaymentsOperation,
  paymentsApi,
  payOperation,
  simulateConcurrentOperation,
} from '../../internal/payments/openapi.ts'
import {
  limitsApi,
  rateLimitApi,
  rateLimitsOperation,
  retryConfigOperation,
} from '../../internal/ratelimit/openapi.ts'
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

/** What the rooms say of each operation. */
const OPERATIONS: Readonly<Record<DocumentedOperation, Described>> = {
  placeOrder: { room: ordersApi, operation: placeOrderOperation },
  listOrders: { room: ordersApi, operation: listOrdersOperation },
  getOrder: { room: ordersApi, operation: getOrderOperation },
  createPayment: { room: paymentsApi, operation: createPaymentOperation },
  listPayments: { room: paymentsApi, operation: listPaymentsOperation },
  getPayment: { room: paymentsApi, operation: getPaymentOperation },
  pay: { room: paymentsApi, operation: payOperation },
  simulateConcurrent: { room: paymentsApi, operation: simulateConcurrentOperation },
  getRateLimits: { room: limitsApi, operation: rateLimitsOperation },
  getRetryConfig: { room: limitsApi, operation: retryConfigOperation },
  listAuditLogs: { room: auditApi, operation: listAuditLogsOperation },
  listEvents: { room: eventsApi, operation: listEventsOperation },
  addWebhookEndpoint: { room: webhooksApi, operation: addWebhookEndpointOperation },
  listWebhookEndpoints: { room: webhooksApi, operation: listWebhookEndpointsOperation },
  getWebhookEndpoint: { room: webhooksApi, operation: getWebhookEndpointOperation },
  removeWebhookEndpoint: { room: webhooksApi, operation: removeWebhookEndpointOperation },
  rotateWebhookEndpoint: { room: webhooksApi, operation: rotateWebhookEndpointOperation },
  isAlive: { room: healthApi, operation: livezOperation },
  isReady: { room: healthApi, operation: readyzOperation },
  getHealth: { room: healthApi, operation: healthOperation },
  getMetrics: { room: healthApi, operation: metricsOperation },
  getDocs: { room: docsApi, operation: docsOperation },
  getOpenApi: { room: docsApi, operation: openApiOperation },
  listProblems: { room: docsApi, operation: problemsOperation },
  getProblem: { room: docsApi, operation: problemOperation },
}

const DESCRIPTION = `An order and payment service whose partners sign their requests with HMAC-SHA256. A request with an idempotency
key takes effect once: however often it is retried, there is one order, or one charge, and one response.

Errors are problem documents (RFC 9457). Go by their \`code\`; the [error catalogue](/problems) says what each means and
what to do. Money is never computed in binary floating point, so read amounts as decimals.`

/** `GET /openapi.json`. */
export function openApiPage(config: Config): Middleware {
  const response = cachedResponse('application/json; charset=utf-8', JSON.stringify(describeApi(config)))
  return async function openApiPage(ctx) {
    // A document without secrets: any tool on any site may read it.
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

/** The same as middleware.ts, in words. */
function middlewareOf({ when = 'serving', auth, limits, key, json }: Route, demo: boolean): MiddlewareApi[] {
  const passed: MiddlewareApi[] = [edgeApi]
  if (when === 'serving' || when === 'demo') passed.push(workApi)
  if (auth !== undefined || json !== undefined) passed.push(rawBodyApi)
  if (auth === 'signature') passed.push(signatureApi)
  if (auth === 'caller') passed.push(authenticateApi)
  if (auth === 'payer') passed.push(demo ? openApi : authenticateApi)
  if (limits !== undefined) passed.push(rateLimitApi)
  if (key === 'body') passed.push(jsonBodyApi)
  if (key !== undefined) passed.push(KEYS[key])
  if (json !== undefined && key !== 'body') passed.push(jsonBodyApi)
  return passed
}
