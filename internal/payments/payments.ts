import { validate } from 'uuid'
import type { Database } from '../database/database.ts'
import { type JsonBody, required, type Stage } from '../request-state.ts'
import { keyReused, ServiceError } from '../service-error.ts'
import { outgoingTrace } from '../telemetry/trace-context.ts'
import { inProgress, type Paid, type PaymentIntent } from './pay-once.ts'
import { type Payment, paymentJson } from './payment.ts'
import { type PaymentRequest, parsePaymentRequest } from './payment-request.ts'
import type { StoredAnswer } from './payment-store.ts'
import { findPayment, readKey } from './read-payments.ts'

export const PAYMENTS_SCOPE = 'POST /api/v1/payments'
/** The completer is about to settle it. */
const RETRY_SOON_MS = 1_000
const JSON_TYPE = 'application/json; charset=utf-8'

/** 200 completed, 402 declined: `{"payment":{…}}`. */
export function paymentAnswer(payment: Payment): StoredAnswer {
  return { status: payment.state === 'completed' ? 200 : 402, body: Buffer.from(paymentJson(payment)) }
}

export interface CreatePaymentOptions {
  pay: (intent: PaymentIntent) => Promise<Paid>
  database: Database
}

/** `POST /api/v1/payments`: charges once. Behind idempotency and jsonBody. */
export function createPayment({ pay, database }: CreatePaymentOptions): Stage {
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

  async function payOrKnown(json: JsonBody, named: Named, sent: Sent): Promise<Paid> {
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

  /**
   * A refused body is the answer to its key, unless the key, whose record is gone, stands for a payment: recorded, the
   * refusal would stand in the way of that payment's retries.
   */
  async function known(named: Named, refusal: unknown): Promise<Paid> {
    const state = await readKey(database, named)
    if (state.outcome === 'mismatch') throw keyReused()
    if (state.outcome === 'settled') return { id: state.id, answer: state.answer, replayed: true }
    throw state.outcome === 'open' ? inProgress(RETRY_SOON_MS) : refusal
  }
}

type Named = Pick<PaymentIntent, 'client' | 'scope' | 'key' | 'fingerprint'>
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
