import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import Koa from 'koa'
import { jsonBody } from '../../internal/http/json-body.ts'
import { problems, renderProblem } from '../../internal/http/problems.ts'
import { IdempotencyEngine } from '../../internal/idempotency/engine.ts'
import { idempotency } from '../../internal/idempotency/idempotency.ts'
import { placeOrder } from '../../internal/orders/orders.ts'
import { startCompleter } from '../../internal/payments/completer.ts'
import { guardedGateway } from '../../internal/payments/guarded-gateway.ts'
import { knownPayment } from '../../internal/payments/known-payment.ts'
import { payOnce } from '../../internal/payments/pay-once.ts'
import { createPayment, PAYMENTS_SCOPE, paymentAnswer } from '../../internal/payments/payments.ts'
import { REASONS, unknownOutcome, unreachable } from '../../internal/proxy/upstream-failure.ts'
import { type RequestState, required, type Stage, WireBody } from '../../internal/request-state.ts'
import type { ServiceError } from '../../internal/service-error.ts'
import { BACKEND_MAX_MS, type Parts } from './parts.ts'

export const MODES = ['orders', 'payments', 'sidecar', 'sidecar with lookup'] as const
export type Mode = (typeof MODES)[number]

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

const SCOPES = { orders: 'POST /orders', payments: PAYMENTS_SCOPE } as const
const SOCKET = new Socket()

export interface NodeOptions {
  mode: Mode
  parts: Parts
  now: () => number
  completerEveryMs: number
  /** Told what was thrown that is no answer. */
  onDefect: (error: unknown) => void
}

/** The stages of the pipeline from the key on, over the given outside: as `pipeline.ts` puts them together. */
export function node({ mode, parts, now, completerEveryMs, onDefect }: NodeOptions) {
  const app = new Koa<RequestState>()
  const report = (_: unknown, error: unknown) => {
    if (!(error instanceof Error) || error.name !== 'ServiceError') onDefect(error)
  }
  const isSidecar = mode !== 'orders' && mode !== 'payments'
  const engine = new IdempotencyEngine({
    store: parts.keys,
    ...{ leaseMs: LEASE_MS, maxAgeMs: MAX_AGE_MS, now },
    onUnknown: isSidecar ? 'hold' : 'takeover',
    ...(mode === 'sidecar with lookup' ? { lookup: lookupOf(parts) } : {}),
  })
  const stages: Stage[] = [
    problems(report),
    idempotency({
      engine,
      scope: isSidecar ? 'POST /anything' : SCOPES[mode],
      renderError: (ctx, error) => renderProblem(ctx, error, report),
    }),
    ...(isSidecar
      ? [sendOnce(parts)]
      : [jsonBody(), mode === 'orders' ? order(parts, now) : payment(parts, completerEveryMs)]),
  ]

  return async function serve({ client, key, body }: Request): Promise<Served> {
    const req = new IncomingMessage(SOCKET)
    req.method = 'POST'
    req.url = isSidecar ? '/anything' : SCOPES[mode].slice('POST '.length)
    req.headers = { 'content-type': 'application/json', 'idempotency-key': key }
    req.rawHeaders = ['Content-Type', 'application/json', 'Idempotency-Key', key]
    const ctx = app.createContext<RequestState>(req, new ServerResponse(req))
    ctx.state.requestId = 'request'
    ctx.state.caller = { client, scheme: 'v1' }
    ctx.state.body = new WireBody(Buffer.from(body))
    const from = async (n: number): Promise<unknown> => await stages[n]?.(ctx, () => from(n + 1))
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

function order({ orders }: Parts, now: () => number): Stage {
  return placeOrder({ orders, now })
}

function payment({ payments: store, readKey, takeDue, charge, find }: Parts, everyMs: number): Stage {
  const gateway = guardedGateway({ charge, find, close: () => {} })
  // It lives as long as the node, whose timers end with it.
  startCompleter({ ...{ store, gateway, takeDue, answer: paymentAnswer }, everyMs, random: Math.random })
  const pay = payOnce({ ...{ store, readKey, gateway, answer: paymentAnswer }, now: Date.now })
  return createPayment({ pay, known: knownPayment(readKey) })
}

/** What `forwardOnce` does, without a socket. */
function sendOnce(parts: Parts): Stage {
  return async function sendOnce(ctx) {
    const attempt = required(ctx, 'attempt', 'idempotency')
    const { client } = required(ctx, 'caller', 'verifySignature')
    const { bytes } = required(ctx, 'body', 'rawBody')
    attempt.effect = 'nothing happened'
    await attempt.dispatched()
    attempt.effect = { unknown: 'handler_failed' }
    const sent = await parts.send(client, attempt.key, bytes.toString())
    if (sent === 'unreachable') {
      attempt.effect = 'nothing happened'
      throw unreachable(sent, new Error(sent))
    }
    if (typeof sent === 'string') {
      attempt.effect = { unknown: REASONS[sent] }
      throw unknownOutcome(sent, new Error(sent))
    }
    attempt.effect = 'answer'
    ctx.status = 200
    ctx.set('Content-Type', 'application/json')
    ctx.body = Buffer.from(sent.answer)
  }
}

/** What the lookup of the sidecar does, without a socket. */
function lookupOf({ ask }: Parts) {
  return async (
    { client, key }: Request | { client: string; key: string },
    { sinceMs }: { sinceMs: number },
  ) => {
    const found = await ask(client, key)
    if (found === undefined) return sinceMs < BACKEND_MAX_MS ? 'unknown' : 'nothing happened'
    return {
      status: 200,
      headers: { 'Content-Type': 'application/json' },
      body: Buffer.from(found.answer),
    } as const
  }
}
