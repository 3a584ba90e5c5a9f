import { validate } from 'uuid'
import { parseListFilter } from '../core/list-filter.ts'
import { pageJson } from '../core/page-limit.ts'
import { type Middleware, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import type { Database } from '../database/database.ts'
import { type Payment, type PaymentState, paymentJson, paymentObject } from './payment.ts'
import { parsePaymentRequest } from './payment-request.ts'
import type { SettledResponse } from './payment-store.ts'
import { findPayment, listPayments as listOfPayments, STATES } from './read-payments.ts'
import { type TakePaymentOptions, takePayment } from './take-payment.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

/** 200 completed, 402 declined: `{"payment":{…}}`. */
export function paymentResponse(payment: Payment): SettledResponse {
  return { status: payment.state === 'completed' ? 200 : 402, body: Buffer.from(paymentJson(payment)) }
}

/** `POST /api/v1/payments`: charges once. */
export function createPayment(options: Pick<TakePaymentOptions, 'scope' | 'payOnce' | 'known'>): Middleware {
  const { scope, payOnce, known } = options
  return takePayment({
    scope,
    payOnce,
    known,
    parse(json) {
      const { amount, currency, description, payment_method: method, metadata } = parsePaymentRequest(json)
      return {
        amount,
        currency,
        userId: undefined,
        description,
        paymentMethod: method,
        metadata: metadata && JSON.stringify(metadata),
      }
    },
    pathOf: (id) => `/api/v1/payments/${id}`,
  })
}

/** `GET /api/v1/payments/:transaction_id`: a payment of the client in any state; that of another client is not found. */
export function getPayment(database: Database): Middleware {
  return async function getPayment(ctx) {
    const { client } = required(ctx, 'caller', 'verifySignature')
    const id = ctx.path.slice(ctx.path.lastIndexOf('/') + 1)
    const payment = validate(id) ? await findPayment(database, client, id) : undefined
    if (payment === undefined)
      throw new ServiceError('not_found', 'There is no payment with this transaction id among yours.')
    ctx.set('Content-Type', JSON_TYPE)
    ctx.body = paymentJson(payment)
  }
}

/**
 * `GET /api/v1/payments?limit=&cursor=&idempotency_key=&status=&created_after=&created_before=`: the payments of the
 * client, newest first: `{"payments":[…],"next_cursor":string|null}`.
 */
export function listPayments(database: Database): Middleware {
  return async function listPayments(ctx) {
    const { client } = required(ctx, 'caller', 'verifySignature')
    const filter = parseListFilter(ctx.query)
    const { limit } = filter
    const state = parseStatus(ctx.query.status)
    // One row more shows whether there is another page.
    const found = await listOfPayments(database, client, { ...filter, limit: limit + 1, state })
    ctx.set('Content-Type', JSON_TYPE)
    ctx.body = pageJson('payments', found, { limit, write: paymentObject, cursorOf: ({ id }) => id })
  }
}

function parseStatus(value: string | string[] | undefined): PaymentState | undefined {
  const state = STATES.find((one) => one === value)
  if (value === undefined || state !== undefined) return state
  throw new ServiceError('invalid_request', `status must be one of ${STATES.join(', ')}.`)
}
