import type { Config } from '../config/config.ts'
import { isDemo } from '../config/demo.ts'
import type { LimitGroup } from '../runtime/limits.ts'

/*
 * Every route of the service. The router, the names of routes in metrics, limits and keys, the OpenAPI document, the
 * console and (checked by a test) the table in docs/api.md are made from this table.
 *
 * To add a route, add a row here, its handler to handlers.ts and its description to openapi.ts, both under the name in
 * `operation`, and its line to docs/api.md. The compiler and test/unit/routes.test.ts report what is missing. To add a
 * query parameter, add its name to `query` and its description to the openapi.ts of its room.
 */

export interface Route {
  method: 'GET' | 'POST' | 'DELETE'
  /** With `:name` for each parameter. */
  path: string
  /** Names the handler and the description in the OpenAPI document. */
  operation: string
  /**
   * - `serving` (default): refused while the service stops, and where the client accepts no JSON.
   * - `demo`: the same, and in demo mode only.
   * - `always`: also while the service stops, whatever the client accepts.
   * - `private`: the same, on the listener of METRICS_PORT where there is one.
   */
  when?: 'serving' | 'demo' | 'always' | 'private'
  /** The credentials that a request needs; default: none. `caller`: an API key or a signature; `payer`: none in demo mode, else the same. */
  auth?: 'signature' | 'caller' | 'payer' | 'operator'
  /** The limits that a request uses; default: none. Those of scope `endpoint` are, by default, for routes with a key. */
  limits?: LimitGroup
  /** Where the idempotency key is; default: there is none. `strict header`: with 16 to 255 of A-Z, a-z, 0-9, _ and -. */
  key?: 'header' | 'strict header' | 'body'
  /** The row that is the record of the key in PostgreSQL; default: a record of its own. */
  record?: 'order row'
  /** The body is JSON; default: it is not read. `optional`: without a body it is `{}`. */
  json?: 'required' | 'optional'
  /** The query parameters that the route knows; any other is refused. */
  query?: readonly string[]
  /** Counted as a payment request; refusals go into the audit trail. */
  isPayment?: true
  /** For our own pages: not documented. */
  isOfPage?: true
}

/** Most routes of API v1. */
const V1 = { auth: 'caller', limits: 'v1' } as const
/** The API of the console: reading, and changing. */
const OPERATOR = { when: 'private', auth: 'operator', isOfPage: true } as const
const CHANGE = { ...OPERATOR, json: 'required' } as const

const TABLE = [
  {
    method: 'POST',
    path: '/orders',
    operation: 'placeOrder',
    auth: 'signature',
    limits: 'orders',
    key: 'header',
    record: 'order row',
    json: 'required',
  },
  {
    method: 'GET',
    path: '/orders',
    operation: 'listOrders',
    auth: 'signature',
    limits: 'orders',
    query: ['limit', 'cursor', 'idempotency_key', 'created_after', 'created_before'],
  },
  { method: 'GET', path: '/orders/:id', operation: 'getOrder', auth: 'signature', limits: 'orders' },
  {
    method: 'POST',
    path: '/api/v1/payments',
    operation: 'createPayment',
    ...V1,
    key: 'strict header',
    json: 'required',
    isPayment: true,
  },
  {
    method: 'GET',
    path: '/api/v1/payments',
    operation: 'listPayments',
    ...V1,
    query: ['limit', 'cursor', 'idempotency_key', 'status', 'created_after', 'created_before'],
  },
  { method: 'GET', path: '/api/v1/payments/:transaction_id', operation: 'getPayment', ...V1 },
  {
    method: 'POST',
    path: '/pay',
    operation: 'pay',
    auth: 'payer',
    limits: 'pay',
    key: 'body',
    json: 'required',
    isPayment: true,
  },
  {
    method: 'POST',
    path: '/api/v1/simulate-concurrent',
    operation: 'simulateConcurrent',
    when: 'demo',
    json: 'optional',
    query: ['concurrent_count'],
  },
  // Shows the limits of `createPayment` and uses none.
  { method: 'GET', path: '/api/v1/rate-limits', operation: 'getRateLimits', auth: 'caller' },
  { method: 'GET', path: '/api/v1/retry-config', operation: 'getRetryConfig', when: 'always' },
  {
    method: 'GET',
    path: '/api/v1/audit-logs',
    operation: 'listAuditLogs',
    ...V1,
    query: ['event_type', 'limit', 'cursor'],
  },
  {
    method: 'GET',
    path: '/api/v1/events',
    operation: 'listEvents',
    ...V1,
    query: ['limit', 'cursor', 'type'],
  },
  {
    method: 'POST',
    path: '/api/v1/webhook-endpoints',
    operation: 'addWebhookEndpoint',
    ...V1,
    json: 'required',
  },
  { method: 'GET', path: '/api/v1/webhook-endpoints', operation: 'listWebhookEndpoints', ...V1 },
  { method: 'GET', path: '/api/v1/webhook-endpoints/:id', operation: 'getWebhookEndpoint', ...V1 },
  { method: 'DELETE', path: '/api/v1/webhook-endpoints/:id', operation: 'removeWebhookEndpoint', ...V1 },
  {
    method: 'POST',
    path: '/api/v1/webhook-endpoints/:id/rotate',
    operation: 'rotateWebhookEndpoint',
    ...V1,
    json: 'optional',
  },

  { method: 'GET', path: '/', operation: 'getStart', when: 'always', isOfPage: true },
  { method: 'GET', path: '/livez', operation: 'isAlive', when: 'always' },
  { method: 'GET', path: '/readyz', operation: 'isReady', when: 'always' },
  { method: 'GET', path: '/health', operation: 'getHealth', when: 'always' },
  { method: 'GET', path: '/metrics', operation: 'getMetrics', when: 'private' },
  { method: 'GET', path: '/docs', operation: 'getDocs', when: 'always' },
  { method: 'GET', path: '/docs/:file', operation: 'getDocsFile', when: 'always', isOfPage: true },
  { method: 'GET', path: '/openapi.json', operation: 'getOpenApi', when: 'always' },
  { method: 'GET', path: '/problems', operation: 'listProblems', when: 'always' },
  { method: 'GET', path: '/problems/:code', operation: 'getProblem', when: 'always' },

  { method: 'GET', path: '/console', operation: 'consolePage', when: 'private', isOfPage: true },
  { method: 'GET', path: '/console/:file', operation: 'consoleFile', when: 'private', isOfPage: true },
  { method: 'GET', path: '/console/api/overview', operation: 'consoleOverview', ...OPERATOR },
  {
    method: 'GET',
    path: '/console/api/key',
    operation: 'consoleKey',
    ...OPERATOR,
    query: ['client', 'key', 'scope'],
  },
  { method: 'POST', path: '/console/api/keys/resolve', operation: 'consoleResolveKey', ...CHANGE },
  { method: 'POST', path: '/console/api/payments/settle', operation: 'consoleSettlePayment', ...CHANGE },
  {
    method: 'GET',
    path: '/console/api/webhooks',
    operation: 'consoleWebhooks',
    ...OPERATOR,
    query: ['client'],
  },
  {
    method: 'GET',
    path: '/console/api/webhooks/deliveries',
    operation: 'consoleDeliveries',
    ...OPERATOR,
    query: ['client', 'id'],
  },
  { method: 'POST', path: '/console/api/webhooks/replay', operation: 'consoleReplayWebhooks', ...CHANGE },
  { method: 'POST', path: '/console/api/webhooks/disable', operation: 'consoleDisableWebhooks', ...CHANGE },
] as const satisfies readonly Route[]

export const ROUTES: readonly Route[] = TABLE

type Row = (typeof TABLE)[number]
type OperationOf<R extends Row> = R['operation']
/** The routes of the console, and all others. */
export type ConsoleOperation = OperationOf<Extract<Row, { path: `/console${string}` }>>
export type ServiceOperation = OperationOf<Exclude<Row, { path: `/console${string}` }>>
/** The routes in the OpenAPI document. */
export type DocumentedOperation = OperationOf<Exclude<Row, { isOfPage: true }>>

/** Names a route in keys, limits and the audit trail, such as `POST /orders`. */
export function scopeOf({ method, path }: Pick<Route, 'method' | 'path'>): string {
  return `${method} ${path}`
}

export function routeOf(operation: ConsoleOperation | ServiceOperation): Route {
  const route = ROUTES.find((one) => one.operation === operation)
  if (route === undefined) throw new Error(`no route for ${operation}`)
  return route
}

/** Whether the service has this route, on its own port, with these settings. */
export function isServed(
  { when }: Route,
  config: Pick<Config, 'production' | 'host' | 'metricsPort'>,
): boolean {
  if (when === 'demo') return isDemo(config)
  return when !== 'private' || config.metricsPort === undefined
}
