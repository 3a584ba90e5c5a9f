import { audited } from '../../internal/audit/audited.ts'
import { watchTraffic } from '../../internal/console/watch-traffic.ts'
import type { Middleware, MiddlewareContext } from '../../internal/core/request-state.ts'
import { acceptJson } from '../../internal/http/guard.ts'
import { jsonBody, parsedJson } from '../../internal/http/json-body.ts'
import { knownQuery } from '../../internal/http/known-query.ts'
import { parsedBody } from '../../internal/http/parsed-body.ts'
import { rawBody } from '../../internal/http/raw-body.ts'
import { routeFound } from '../../internal/http/route-map.ts'
import type { KeyEngine } from '../../internal/idempotency/engine.ts'
import { idempotency } from '../../internal/idempotency/idempotency.ts'
import {
  keyInBody,
  keyInHeader,
  knownKeyInBody,
  STRICT_KEY,
} from '../../internal/idempotency/idempotency-key.ts'
import { countPaymentRequests } from '../../internal/payments/count-payment-requests.ts'
import type { ApiKeys } from '../../internal/signature/api-keys.ts'
import { authenticate } from '../../internal/signature/authenticate.ts'
import { traced } from '../../internal/telemetry/spans.ts'
import { isDemo } from '../config/demo.ts'
import { keyEngines } from '../runtime/key-engine.ts'
import { limited } from '../runtime/limits.ts'
import { BODY_TIMEOUT_MS, signatures } from '../runtime/signatures.ts'
import type { ServiceDependencies } from './dependencies.ts'
import { keysAreInRows, orderRowIn } from './order-keys.ts'
import { type Route, scopeOf } from './routes.ts'

/** The longest that a handler may hold its key. */
const MAX_HOLD_MS = 600_000
const KEY_MEMBER = 'idempotency_key'

export interface MiddlewareOptions {
  apiKeys: ApiKeys
  renderError: (ctx: MiddlewareContext, error: unknown) => void
}

export interface ServiceMiddleware {
  /** In front of routes that the service may refuse, such as during a stop. */
  serving: readonly Middleware[]
  /** The middlewares of a route, with the handler. */
  of: (route: Route, handler: Middleware) => Middleware[]
}

/** Makes the middlewares of each route from its row in the table. */
export function middlewares(
  dependencies: ServiceDependencies,
  { apiKeys, renderError }: MiddlewareOptions,
): ServiceMiddleware {
  const { config, metrics, traffic, limiter } = dependencies
  const spanned = traced(dependencies.spans)

  const serving = [
    ...(traffic === undefined ? [] : [watchTraffic(traffic, (ctx) => `${ctx.method} ${routeFound(ctx)}`)]),
    dependencies.drain.middleware(),
    acceptJson(),
  ]

  const bodyLimits = { maxBodyBytes: config.maxBodyBytes, timeoutMs: BODY_TIMEOUT_MS }
  const bytes = rawBody(bodyLimits)
  // With the key in the body it is parsed first, by koa-bodyparser.
  const parsed = parsedBody(bodyLimits)
  const json = { required: jsonBody(), optional: jsonBody({ absent: {} }) }

  const verifySignature = signatures(config, dependencies.clients, metrics)
  const caller = {
    verifySignature,
    apiKeys,
    onAuthenticated: (scheme: string, result: string) => metrics.signatures.add({ scheme, result }),
  }
  const auth = {
    signature: spanned.middleware('signature', verifySignature),
    caller: spanned.middleware('signature', authenticate(caller)),
    payer: spanned.middleware('signature', authenticate({ ...caller, open: isDemo(config) })),
  }

  const counted = countPaymentRequests({
    onRequest: () => metrics.paymentRequests.inc(),
    onFailed: () => metrics.paymentRequestsFailed.inc(),
  })
  // One for all routes: what shares a store shares its group commit. What an earlier attempt left, an order or a
  // payment, is found through its constraint.
  const { keys, inRows } = keyEngines(dependencies, { onUnknown: 'takeover', maxAgeMs: MAX_HOLD_MS }, spanned)
  const recordIn: Record<NonNullable<Route['record']>, KeyEngine> = {
    'order row': keysAreInRows(config) ? inRows(orderRowIn(dependencies.database)) : keys,
  }
  const keyOf = {
    header: keyInHeader(['idempotency-key']),
    'strict header': keyInHeader(['idempotency-key'], STRICT_KEY),
    body: keyInBody(KEY_MEMBER),
  }

  function of(route: Route, handler: Middleware): Middleware[] {
    const scope = scopeOf(route)
    const isKeyInBody = route.key === 'body'
    const passed: Middleware[] = route.isPayment ? [counted] : []
    if (route.when !== 'always' && route.when !== 'private') passed.push(...serving)
    if (route.auth === 'operator')
      throw new Error(`${scope}: the routes of the console are made in console.ts`)
    if (route.auth !== undefined || route.json !== undefined) passed.push(isKeyInBody ? parsed : bytes)
    if (route.auth !== undefined) passed.push(auth[route.auth])
    if (route.isPayment) passed.push(watched(scope, isKeyInBody))
    passed.push(knownQuery(route.query ?? []))
    if (route.limits !== undefined) {
      const takesEffect = route.key !== undefined
      const limit = limited(
        dependencies,
        limiter,
        { group: route.limits, scope, takesEffect },
        dependencies.ownLimits,
      )
      passed.push(spanned.middleware('limit', limit))
    }
    if (isKeyInBody) passed.push(parsedJson())
    if (route.key !== undefined) {
      const engine = route.record === undefined ? keys : recordIn[route.record]
      passed.push(idempotency({ engine, scope, renderError, keyOf: keyOf[route.key] }))
    }
    if (route.json !== undefined && !isKeyInBody) passed.push(json[route.json])
    passed.push(handler)
    return passed
  }

  /** Directly behind authentication, to see all refusals after it. */
  const watched = (route: string, isKeyInBody: boolean) =>
    audited({
      route,
      observe: (seen) => dependencies.observations.add(seen),
      ...(isKeyInBody ? { keyOf: knownKeyInBody(KEY_MEMBER) } : {}),
    })

  return { serving, of }
}
