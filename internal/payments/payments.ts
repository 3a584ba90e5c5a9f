import { validate } from 'uuid'
import type { Database } from '../database/database.ts'
import { type JsonBody, required, type Stage } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import { outgoingTrace } from '../telemetry/trace-context.ts'
import type { KnownPayment, NamedPayment } from './known-payment.ts'
import type { Paid, PaymentIntent } from './pay-once.ts'
import { type Payment, paymentJson } from './payment.ts'
import { type PaymentRequest, parsePaymentRequest } from './payment-request.ts'
import type { StoredAnswer } from './payment-store.ts'
import { findPayment } from './read-payments.ts'

export const PAYMENTS_SCOPE = 'POST /api/v1/payments'
const JSON_TYPE = 'application/json; charset=utf-8'

/** 200 completed, 402 declined: `{"payment":{…}}`. */
export function paymentAnswer(payment: Payment): StoredAnswer {
  return { status: payment.state === 'completed' ? 200 : 402, body: Buffer.from(paymentJson(payment)) }
}

export interface CreatePaymentOptions {
  pay: (intent: PaymentIntent) => Promise<Paid>
  known: KnownPayment
}

/** `POST /api/v1/payments`: charges once. Behind idempotency and jsonBody. */
export function createPayment({ pay, known }: CreatePaymentOptions): Stage {
  return async function createPayment(ctx) {
    const { client } = required(ctx, 'caller', 'verifySignature')
    const attempt = required(ctx, 'attempt', 'idempotency')
    const { key, fingerprint } = attempt
    const named = { client, scope: PAYMENTS_SCOPE, key, fingerprint }
    const json = required(ctx, 'json', 'jsonBody')
    const { requestId, trace } = ctx.state
    const headers = trace === undefined ? {} : outgoingTrace(trace)
    const paid = await payOrKnown(json, named, { requestId, headers })
    attempt.replayed = paid.replayed
    ctx.status = paid.answer.status
    ctx.set('Location', `/api/v1/payments/${paid.id}`)
    ctx.set('Content-Type', JSON_TYPE)
    ctx.body = paid.answer.body
  }

  async function payOrKnown(json: JsonBody, named: NamedPayment, sent: Sent): Promise<Paid> {
    let request: PaymentRequest
    try {
      request = parsePaymentRequest(json)
    } catch (refusal) {
      return await known(named, refusal)
    }
    return await pay({
      ...{ ...named, ...sent, amount: request.amount, currency: request.currency },
      ...{ userId: undefined, description: request.description, paymentMethod: request.payment_method },
      metadata: request.metadata === undefined ? undefined : JSON.stringify(request.metadata),
    })
  }
}

type Sent = Pick<PaymentIntent, 'requestId' | 'headers'>

/** `GET /api/v1/payments/:transaction_id`: own payments only, in whatever state; another client's is not found. */
export function getPayment(database: Database): Stage {
  return async function getPayment(ctx) {
    const { client } = required(ctx, 'caller', 'verifySignature')
    const id = ctx.path.slice(ctx.path.lastIndexOf('/') + 1)
    const payment = validate(id) ? await findPayment(database, client, id) : undefined
    if (payment === undefined) {
      throw new ServiceError('not_found', 'There is no payment with this transaction id among yours.')
    }
    ctx.set('Content-Type', JSON_TYPE)
    ctx.body = paymentJson(payment)
  }
}
