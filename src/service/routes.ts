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
  /** The row that is the record of the key, where keys are in PostgreSQL; default: the key has a record of its own. */
  record?: 'order row'
  /** The body is JSON; default: it is not read. `optional`: without a body it is `{}`. */
  json?: 'required' | 'optional'
  /** The query parameters that the route knows; any other is refused. */
  query?: readonly string[]
  /** It is counted as a request for a payment, and what is refused goes into the audit trail. */
  isPayment?: true
  /** What our own pages load: no part of the documented API. */
  isOfPage?: true
}

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
    auth: 'caller',
    limits: 'v1',
    key: 'strict header',
    json: 'required',
    isPayment: true,
  },
  {
    method: 'GET',
    path: '/api/v1/payments',
    operation: 'listPayments',
    auth: 'caller',
    limits: 'v1',
    query: ['limit', 'cursor', 'idempotency_key', 'status', 'created_after', 'created_before'],
  },
  {
    method: 'GET',
    path: '/api/v1/payments/:transaction_id',
    operation: 'getPayment',
    auth: 'caller',
    limits: 'v1',
  },
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
    auth: 'caller',
    limits: 'v1',
    query: ['event_type', 'limit', 'cursor'],
  },
  {
    method: 'GET',
    path: '/api/v1/events',
    operation: 'listEvents',
    auth: 'caller',
    limits: 'v1',
    query: ['limit', 'cursor', 'type'],
  },
  {
    method: 'POST',
    path: '/api/v1/webhook-endpoints',
    operation: 'addWebhookEndpoint',
    auth: 'caller',
    limits: 'v1',
    json: 'required',
  },
  {
    method: 'GET',
    path: '/api/v1/webhook-endpoints',
    operation: 'listWebhookEndpoints',
    auth: 'caller',
    limits: 'v1',
  },
  {
    method: 'GET',
    path: '/api/v1/webhook-endpoints/:id',
    operation: 'getWebhookEndpoint',
    auth: 'caller',
    limits: 'v1',
  },
  {
    method: 'DELETE',
    path: '/api/v1/webhook-endpoints/:id',
    operation: 'removeWebhookEndpoint',
    auth: 'caller',
    limits: 'v1',
  },
  {
    method: 'POST',
    path: '/api/v1/webhook-endpoints/:id/rotate',
    operation: 'rotateWebhookEndpoint',
    auth: 'caller',
    limits: 'v1',
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
  {
    method: 'GET',
    path: '/console/api/overview',
    operation: 'consoleOverview',
    when: 'private',
    auth: 'operator',
    isOfPage: true,
  },
  {
    method: 'GET',
    path: '/console/api/key',
    operation: 'consoleKey',
    when: 'private',
    auth: 'operator',
    query: ['client', 'key', 'scope'],
    isOfPage: true,
  },
  {
    method: 'POST',
    path: '/console/api/keys/resolve',
    operation: 'consoleResolveKey',
    when: 'private',
    auth: 'operator',
    json: 'required',
    isOfPage: true,
  },
  {
    method: 'POST',
    path: '/console/api/payments/settle',
    operation: 'consoleSettlePayment',
    when: 'private',
    auth: 'operator',
    json: 'required',
    isOfPage: true,
  },
  {
    method: 'GET',
    path: '/console/api/webhooks',
    operation: 'consoleWebhooks',
    when: 'private',
    auth: 'operator',
    query: ['client'],
    isOfPage: true,
  },
  {
    method: 'GET',
    path: '/console/api/webhooks/deliveries',
    operation: 'consoleDeliveries',
    when: 'private',
    auth: 'operator',
    query: ['client', 'id'],
    isOfPage: true,
  },
  {
    method: 'POST',
    path: '/console/api/webhooks/replay',
    operation: 'consoleReplayWebhooks',
    when: 'private',
    auth: 'operator',
    json: 'required',
    isOfPage: true,
  },
  {
    method: 'POST',
    path: '/console/api/webhooks/disable',
    operation: 'consoleDisableWebhooks',
    when: 'private',
    auth: 'operator',
    json: 'required',
    isOfPage: true,
  },
] as const satisfies readonly Route[]

export const ROUTES: readonly Route[] = TABLE

type Row = (typeof TABLE)[number]
type OperationOf<R extends Row> = R['operation']
/** Of the routes that the console is made of, and of all others. */
export type ConsoleOperation = OperationOf<Extract<Row, { path: `/console${string}` }>>
export type ServiceOperation = OperationOf<Exclude<Row, { path: `/console${string}` }>>
/** Of the routes that the OpenAPI document describes. */
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
