import { auditLog } from '../../internal/audit/audit-log.ts'
import { listAuditLogs } from '../../internal/audit/audit-logs.ts'
import type { Middleware } from '../../internal/core/request-state.ts'
import { listEvents } from '../../internal/events/list-events.ts'
import { health, livez, readyz } from '../../internal/http/health.ts'
import { type OrderStore, orderStore } from '../../internal/orders/order-store.ts'
import { getOrder, listOrders, placeOrder } from '../../internal/orders/orders.ts'
import { pay } from '../../internal/payments/pay.ts'
import { knownPayment, payOnce } from '../../internal/payments/pay-once.ts'
import { createPayment, getPayment, listPayments, paymentResponse } from '../../internal/payments/payments.ts'
import { type PaymentKey, readKey } from '../../internal/payments/read-payments.ts'
import type { TemporaryApiKeys } from '../../internal/signature/api-keys.ts'
import { traced } from '../../internal/telemetry/spans.ts'
import type { Config } from '../config/config.ts'
import { demoCredentials } from '../config/demo.ts'
import { limitStandings } from '../runtime/limits.ts'
import { metricsPage } from '../runtime/metrics-app.ts'
import type { ServiceDependencies } from './dependencies.ts'
import { readObjects } from './events.ts'
import { keysAreInRows, timedOrders } from './order-keys.ts'
import { openPaymentStore } from './payments.ts'
import { retryConfig } from './retry-config.ts'
import { routeOf, type ServiceOperation, scopeOf } from './routes.ts'
import { endpointHandlers } from './webhooks.ts'

type Handlers<Name extends ServiceOperation> = Readonly<Record<Name, Middleware>>
type DocumentOperation = 'getStart' | 'getDocs' | 'getDocsFile' | 'getOpenApi' | 'listProblems' | 'getProblem'
type PaymentOperation = 'createPayment' | 'listPayments' | 'getPayment' | 'pay'

/** The handlers by the operation of their route. */
export function handlers(
  dependencies: ServiceDependencies,
  apiKeys: TemporaryApiKeys,
): Handlers<ServiceOperation> {
  const { config, database, metrics, limiter } = dependencies
  const orders = traced(dependencies.spans).calls(openOrders(dependencies), { place: 'order' })
  const charge = routeOf('createPayment')
  return {
    placeOrder: placeOrder({ orders, now: dependencies.now, onPlaced: () => metrics.orders.inc() }),
    listOrders: listOrders(orders),
    getOrder: getOrder(orders),
    ...paymentHandlers(dependencies),
    simulateConcurrent: lazy(async () =>
      (await import('./simulate-concurrent.ts')).simulateConcurrent(apiKeys),
    ),
    getRateLimits: limitStandings(
      config,
      limiter,
      { group: 'v1', scope: scopeOf(charge), takesEffect: true },
      dependencies.ownLimits,
    ),
    getRetryConfig: retryConfig(),
    listAuditLogs: listAuditLogs(auditLog(database)),
    listEvents: listEvents(database, readObjects(database)),
    ...endpointHandlers(dependencies),
    isAlive: livez(),
    isReady: readyz(dependencies.health),
    getHealth: health(dependencies.health),
    getMetrics: metricsPage(dependencies.scrape),
    ...documentHandlers(config),
  }
}

function openOrders({ config, database, metrics }: ServiceDependencies): OrderStore {
  const onBatch = (items: number) => metrics.batchItems.add({ group: 'orders' }, items)
  if (!keysAreInRows(config)) return orderStore(database, { onBatch })
  return timedOrders(orderStore(database, { onBatch, recordsOf: scopeOf(routeOf('placeOrder')) }), metrics)
}

function paymentHandlers(dependencies: ServiceDependencies): Handlers<PaymentOperation> {
  const { config, database, metrics, logger } = dependencies
  const readPayment = (of: PaymentKey) => readKey(database, of)
  const known = knownPayment(readPayment)
  const pays = payOnce({
    readKey: readPayment,
    store: openPaymentStore(dependencies),
    gateway: traced(dependencies.spans).calls(dependencies.gateway, {
      charge: 'payment gateway',
      find: 'payment lookup',
    }),
    now: dependencies.now,
    response: paymentResponse,
    onSettled: ({ state }) => metrics.payments.inc({ status: state }),
    onTrouble: ({ client, id, reason, cause }) =>
      logger.warn(
        { client, transaction_id: id, reason, err: cause },
        'the payment gateway did not do its part',
      ),
  })
  return {
    createPayment: createPayment({ payOnce: pays, known, scope: scopeOf(routeOf('createPayment')) }),
    listPayments: listPayments(database),
    getPayment: getPayment(database),
    pay: pay({ payOnce: pays, known, failureRate: config.simulatedFailureRate, random: Math.random }),
  }
}

/** The pages about the API. They are loaded with the first request. */
function documentHandlers(config: Config): Handlers<DocumentOperation> {
  const problemPages = () => import('../../internal/docs/problem-pages.ts')
  const docsPages = () => import('../../internal/docs/docs-page.ts')
  // The page signs with the code of the SDK.
  const signer = new URL('../client/signer.js', import.meta.url)
  const published = demoCredentials(config).map(({ what, value }) => `the ${what} is ${value}`)
  const hint = published.length === 0 ? '' : `Demo mode: ${published.join(', ')}.`
  return {
    getStart: lazy(async () => {
      const hasConsole = config.operatorToken !== undefined && config.metricsPort === undefined
      return (await import('../../internal/docs/start-page.ts')).startPage({ hasConsole })
    }),
    getDocs: lazy(async () => (await docsPages()).docsPage({ hint })),
    getDocsFile: lazy(async () => (await docsPages()).docsFile({ signer })),
    getOpenApi: lazy(async () => (await import('./openapi.ts')).openApiPage(config)),
    listProblems: lazy(async () => (await problemPages()).problemsPage()),
    getProblem: lazy(async () => (await problemPages()).problemPage()),
  }
}

/** Middleware whose code is loaded with the first request. */
function lazy(load: () => Promise<Middleware>): Middleware {
  let loaded: Promise<Middleware> | undefined
  return async function lazy(ctx, next) {
    loaded ??= load().catch((error: unknown) => {
      loaded = undefined
      throw error
    })
    const middleware = await loaded
    await middleware(ctx, next)
  }
}
