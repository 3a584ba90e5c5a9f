import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import Koa from 'koa'
import { type Middleware, type RequestState, required, WireBody } from '../../internal/core/request-state.ts'
import type { ServiceError } from '../../internal/core/service-error.ts'
import { jsonBody } from '../../internal/http/json-body.ts'
import { problems, renderProblem } from '../../internal/http/problems.ts'
import { IdempotencyEngine } from '../../internal/idempotency/engine.ts'
import { idempotency } from '../../internal/idempotency/idempotency.ts'
import { ReplayCache } from '../../internal/idempotency/replay-cache.ts'
import { behindRows, RowEngine } from '../../internal/idempotency/row-engine.ts'
import type { IdempotencyStore } from '../../internal/idempotency/store.ts'
import { placeOrder } from '../../internal/orders/orders.ts'
import { startCompleter } from '../../internal/payments/completer.ts'
import { guardedGateway } from '../../internal/payments/guarded-gateway.ts'
import { knownPayment, payOnce } from '../../internal/payments/pay-once.ts'
import { createPayment, paymentResponse } from '../../internal/payments/payments.ts'
import { REASONS, unknownOutcome, unreachable } from '../../internal/proxy/upstream-failure.ts'
import { orderRow } from '../../src/service/order-keys.ts'
import { BACKEND_MAX_MS, type NodeDependencies } from './node-dependencies.ts'

export const MODES = ['orders', 'orders in rows', 'payments', 'sidecar', 'sidecar with lookup'] as const
export type Mode = (typeof MODES)[number]

/** With keys in Redis, or with the order's row as the record of its key. */
export function isOrders(mode: Mode): mode is 'orders' | 'orders in rows' {
  return mode === 'orders' || mode === 'orders in rows'
}

/** A route of the service; its keys are found again when their records have been forgotten. */
export function isOfService(mode: Mode): mode is 'orders' | 'orders in rows' | 'payments' {
  return isOrders(mode) || mode === 'payments'
}

/** Keys that a store may lose on its own: where the rows are their records they are as safe as the orders. */
export function mayLoseKeys(mode: Mode): boolean {
  return mode === 'orders' || mode === 'payments'
}

/** Short, so that handlers outlive it and runs are short; the proportions are those of the service. */
export const LEASE_MS = 2_000
const MAX_AGE_MS = 20_000

export interface Request {
  client: string
  key: string
  body: string
}

export interface Served {
  status: number
  body: string
  location: string
  replayed: boolean
  problem: ServiceError | undefined
}

export const SCOPES = {
  orders: 'POST /orders',
  'orders in rows': 'POST /orders',
  payments: 'POST /api/v1/payments',
} as const
const SOCKET = new Socket()

export interface NodeOptions {
  mode: Mode
  parts: NodeDependencies
  now: () => number
  completerEveryMs: number
  /** Told what was thrown that is no response. */
  onDefect: (error: unknown) => void
}

/** The stages of the pipeline from the key on, over the given outside: as `pipeline.ts` puts them together. */
export function node({ mode, parts, now, completerEveryMs, onDefect }: NodeOptions) {
  const app = new Koa<RequestState>()
  const report = (_: unknown, error: unknown) => {
    if (!(error instanceof Error) || error.name !== 'ServiceError') onDefect(error)
  }
  const engineOver = (store: IdempotencyStore, replays?: ReplayCache) =>
    new IdempotencyEngine({
      store,
      ...(replays === undefined ? {} : { replays }),
      leaseMs: LEASE_MS,
      maxAgeMs: MAX_AGE_MS,
      now,
      onUnknown: isOfService(mode) ? 'takeover' : 'hold',
      ...(mode === 'sidecar with lookup' ? { lookup: lookupOf(parts) } : {}),
    })
  const inRows = () => {
    const replays = new ReplayCache({ ttlMs: 60_000, now })
    const store = behindRows(parts.keys, orderRow(parts.orders.standing))
    return new RowEngine({ claiming: engineOver(store, replays), replays })
  }
  const engine = mode === 'orders in rows' ? inRows() : engineOver(parts.keys)
  const middlewares: Middleware[] = [
    problems(report),
    idempotency({
      engine,
      scope: isOfService(mode) ? SCOPES[mode] : 'POST /anything',
      renderError: (ctx, error) => renderProblem(ctx, error, report),
    }),
    ...(isOfService(mode)
      ? [jsonBody(), isOrders(mode) ? order(parts, now) : payment(parts, completerEveryMs)]
      : [sendOnce(parts)]),
  ]

  return async function serve({ client, key, body }: Request): Promise<Served> {
    const req = new IncomingMessage(SOCKET)
    req.method = 'POST'
    req.url = isOfService(mode) ? SCOPES[mode].slice('POST '.length) : '/anything'
    req.headers = { 'content-type': 'application/json', 'idempotency-key': key }
    req.rawHeaders = ['Content-Type', 'application/json', 'Idempotency-Key', key]
    const ctx = app.createContext<RequestState>(req, new ServerResponse(req))
    ctx.state.requestId = 'request'
    ctx.state.caller = { client, scheme: 'v1' }
    ctx.state.body = new WireBody(Buffer.from(body))
    const from = async (n: number): Promise<unknown> => await middlewares[n]?.(ctx, () => from(n + 1))
    await from(0)
    return {
      status: ctx.status,
      body: ctx.body instanceof Buffer ? ctx.body.toString() : String(ctx.body),
      location: ctx.response.get('Location'),
      replayed: ctx.response.get('Idempotent-Replayed') === 'true',
      problem: ctx.state.problem,
    }
  }
}

function order({ orders }: NodeDependencies, now: () => number): Middleware {
  return placeOrder({ orders, now })
}

function payment(
  { payments: store, readKey, takeDue, charge, find }: NodeDependencies,
  everyMs: number,
): Middleware {
  const gateway = guardedGateway({ charge, find, close: () => {} })
  // It lives as long as the node, whose timers end with it.
  startCompleter({ store, gateway, takeDue, response: paymentResponse, everyMs, random: Math.random })
  const pay = payOnce({ store, readKey, gateway, response: paymentResponse, now: Date.now })
  return createPayment({ payOnce: pay, known: knownPayment(readKey), scope: SCOPES.payments })
}

/** What `forwardOnce` does, without a socket. */
function sendOnce(parts: NodeDependencies): Middleware {
  return async function sendOnce(ctx) {
    const attempt = required(ctx, 'attempt', 'idempotency')
    const { client } = required(ctx, 'caller', 'verifySignature')
    const { bytes } = required(ctx, 'body', 'rawBody')
    attempt.outcome = 'not_executed'
    await attempt.dispatched()
    attempt.outcome = { unknown: 'handler_failed' }
    const sent = await parts.send(client, attempt.key, bytes.toString())
    if (sent === 'unreachable') {
      attempt.outcome = 'not_executed'
      throw unreachable(sent, new Error(sent), { method: ctx.method, keyed: true })
    }
    if (typeof sent === 'string') {
      attempt.outcome = { unknown: REASONS[sent] }
      throw unknownOutcome(sent, new Error(sent))
    }
    attempt.outcome = 'completed'
    ctx.status = 200
    ctx.set('Content-Type', 'application/json')
    ctx.body = Buffer.from(sent.response)
  }
}

/** What the lookup of the sidecar does, without a socket. */
function lookupOf({ ask }: NodeDependencies) {
  return async (
    { client, key }: Request | { client: string; key: string },
    { sinceMs }: { sinceMs: number },
  ) => {
    const found = await ask(client, key)
    if (found === undefined) return sinceMs < BACKEND_MAX_MS ? 'unknown' : 'not_executed'
    return {
      status: 200,
      headers: { 'Content-Type': 'application/json' },
      body: Buffer.from(found.response),
    } as const
  }
}
