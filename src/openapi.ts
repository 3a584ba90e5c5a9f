import { auditApi, listAuditLogsOperation } from '../internal/audit/openapi.ts'
import {
  docsApi,
  docsOperation,
  openApiOperation,
  problemOperation,
  problemsOperation,
} from '../internal/docs/openapi.ts'
import { cachedAnswer, sendCached } from '../internal/http/cached-answer.ts'
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
} from '../internal/http/openapi.ts'
import { bodyKeyApi, idempotencyApi, paymentKeyApi } from '../internal/idempotency/openapi.ts'
import type { Operation, RoomApi, Route, StageApi } from '../internal/openapi/describe.ts'
import { openApiDocument } from '../internal/openapi/document.ts'
import {
  getOrderOperation,
  listOrdersOperation,
  ordersApi,
  placeOrderOperation,
} from '../internal/orders/openapi.ts'
import {
  createPaymentOperation,
  getPaymentOperation,
  paymentsApi,
  payOperation,
  simulateConcurrentOperation,
} from '../internal/payments/openapi.ts'
import {
  limitsApi,
  rateLimitApi,
  rateLimitHeadersApi,
  rateLimitsOperation,
  retryConfigOperation,
} from '../internal/ratelimit/openapi.ts'
import type { Stage } from '../internal/request-state.ts'
import { authenticateApi, openApi, signatureApi } from '../internal/signature/openapi.ts'
import { type Config, isDemo } from './config.ts'
import { VERSION } from './package-root.ts'

const DESCRIPTION = `An order and payment service whose partners sign their requests with HMAC-SHA256. A request with an idempotency
key takes effect once: however often it is retried, there is one order, or one charge, and one answer.

Errors are problem documents (RFC 9457). Go by their \`code\`; the [error catalogue](/problems) says what each means and
what to do. Money is never computed in binary floating point, so read amounts as decimals.`

/** `GET /openapi.json`. */
export function openApiPage(config: Config): Stage {
  const answer = cachedAnswer('application/json; charset=utf-8', JSON.stringify(describeApi(config)))
  return async function openApiPage(ctx) {
    // A document without secrets: any tool on any site may read it.
    ctx.set('Access-Control-Allow-Origin', '*')
    ctx.set('X-Content-Type-Options', 'nosniff')
    sendCached(ctx, answer)
  }
}

/** The document of what `pipeline` serves: the stages and rooms describe themselves, and stand here as they do there. */
export function describeApi({
  metricsPort,
  production = false,
  host = '127.0.0.1',
}: Pick<Config, 'metricsPort'> & Partial<Pick<Config, 'production' | 'host'>>): Record<string, unknown> {
  const demo = isDemo({ production, host })
  const open = [edgeApi]
  const signed = [...open, workApi, rawBodyApi, signatureApi, rateLimitApi]
  const authenticated = [...open, workApi, rawBodyApi, authenticateApi]
  const once = [...signed, idempotencyApi, jsonBodyApi]
  const paidOnce = [...authenticated, rateLimitApi, paymentKeyApi, jsonBodyApi]
  const payer = demo ? openApi : authenticateApi
  const paid = [...open, workApi, rawBodyApi, payer, rateLimitApi, jsonBodyApi, bodyKeyApi]
  const info = {
    title: 'oncekey',
    version: VERSION,
    summary: 'Signed requests that take effect once',
    description: DESCRIPTION,
    license: { name: 'MIT', identifier: 'MIT' },
  }
  return openApiDocument(info, [
    ...routes(ordersApi, once, [placeOrderOperation]),
    ...routes(ordersApi, signed, [listOrdersOperation, getOrderOperation]),
    ...routes(paymentsApi, paidOnce, [createPaymentOperation]),
    ...routes(paymentsApi, paid, [payOperation]),
    ...routes(
      paymentsApi,
      [...open, workApi, rawBodyApi, jsonBodyApi],
      demo ? [simulateConcurrentOperation] : [],
    ),
    ...routes(paymentsApi, [...authenticated, rateLimitApi], [getPaymentOperation]),
    ...routes(limitsApi, [...authenticated, rateLimitHeadersApi], [rateLimitsOperation]),
    ...routes(limitsApi, open, [retryConfigOperation]),
    ...routes(healthApi, open, [livezOperation, readyzOperation, healthOperation]),
    ...routes(healthApi, open, metricsPort === undefined ? [metricsOperation] : []),
    ...routes(docsApi, open, [problemsOperation, problemOperation, openApiOperation, docsOperation]),
    ...routes(auditApi, [...authenticated, rateLimitApi], [listAuditLogsOperation]),
  ])
}

function routes(room: RoomApi, stages: readonly StageApi[], operations: readonly Operation[]): Route[] {
  return operations.map((operation) => ({ room, stages, operation }))
}
