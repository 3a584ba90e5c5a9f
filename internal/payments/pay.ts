import { required, type Stage } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import type { Paid, PaymentIntent } from './pay-once.ts'
import { parsePayRequest } from './pay-request.ts'
import { PAY_SCOPE } from './payment.ts'

export interface PayOptions {
  payOnce: (intent: PaymentIntent) => Promise<Paid>
  /** 0..1: the share of the requests that fail on purpose before anything is done. */
  failureRate: number
  /** 0 to less than 1; decides which ones fail. */
  random: () => number
}

/** Soon enough to be watched, late enough for a backoff to be seen. */
const RETRY_AFTER_MS = 100
/** Tells a failure that was asked for from one of ours. */
const ON_PURPOSE = new Error('SIMULATED_FAILURE_RATE asked for this failure')

/**
 * `POST /pay`: pays once, without currency and payment method. 200 completed, 402 declined. A share of the requests is
 * answered with 500 instead, before anything is written, so that a retry with the same key starts from nothing. Behind
 * idempotency and parsedJson.
 */
export function pay({ payOnce, failureRate, random }: PayOptions): Stage {
  return async function pay(ctx) {
    const { client } = required(ctx, 'caller', 'authenticate')
    const attempt = required(ctx, 'attempt', 'idempotency')
    const request = parsePayRequest(required(ctx, 'json', 'parsedJson'))
    if (random() < failureRate) throw simulatedFailure()
    const paid = await payOnce({
      ...{ client, scope: PAY_SCOPE, key: attempt.key, fingerprint: attempt.fingerprint },
      ...{ requestId: ctx.state.requestId, amount: request.amount, userId: request.user_id },
      ...{ currency: undefined, description: undefined, paymentMethod: undefined, metadata: undefined },
    })
    attempt.replayed = paid.replayed
    ctx.status = paid.answer.status
    ctx.set('Content-Type', 'application/json; charset=utf-8')
    ctx.body = paid.answer.body
  }
}

function simulatedFailure(): ServiceError {
  return new ServiceError(
    'internal_error',
    'A simulated failure: nothing happened. Try again with the same key.',
    { retryAfterMs: RETRY_AFTER_MS, retryable: true, cause: ON_PURPOSE },
  )
}

/** Whether it is a failure that was asked for: nothing to be mended, and nothing for the log of errors. */
export function isSimulatedFailure(error: unknown): boolean {
  return error instanceof ServiceError && error.cause === ON_PURPOSE
}
