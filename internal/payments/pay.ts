import { type JsonBody, required, type Stage } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import { outgoingTrace } from '../telemetry/trace-context.ts'
import type { KnownPayment, NamedPayment } from './known-payment.ts'
import type { Paid, PaymentIntent } from './pay-once.ts'
import { type PayRequest, parsePayRequest } from './pay-request.ts'
import { PAY_SCOPE } from './payment.ts'

export interface PayOptions {
  payOnce: (intent: PaymentIntent) => Promise<Paid>
  known: KnownPayment
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
export function pay({ payOnce, known, failureRate, random }: PayOptions): Stage {
  return async function pay(ctx) {
    const { client } = required(ctx, 'caller', 'authenticate')
    const attempt = required(ctx, 'attempt', 'idempotency')
    const { key, fingerprint } = attempt
    const { requestId, trace } = ctx.state
    const headers = trace === undefined ? {} : outgoingTrace(trace)
    const json = required(ctx, 'json', 'parsedJson')
    // After an attempt that left it open nobody may say that nothing happened.
    const rate = attempt.number === 1 ? failureRate : 0
    const named = { client, scope: PAY_SCOPE, key, fingerprint }
    const paid = await payOrKnown({ json, named, sent: { requestId, headers }, rate })
    attempt.replayed = paid.replayed
    ctx.status = paid.answer.status
    ctx.set('Content-Type', 'application/json; charset=utf-8')
    ctx.body = paid.answer.body
  }

  async function payOrKnown({ json, named, sent, rate }: Asked): Promise<Paid> {
    let request: PayRequest
    try {
      request = parsePayRequest(json)
    } catch (refusal) {
      return await known(named, refusal)
    }
    if (random() < rate) throw simulatedFailure()
    return await payOnce({
      ...{ ...named, ...sent, amount: request.amount, userId: request.user_id },
      ...{ currency: undefined, description: undefined, paymentMethod: undefined, metadata: undefined },
    })
  }
}

interface Asked {
  json: JsonBody
  named: NamedPayment
  sent: Pick<PaymentIntent, 'requestId' | 'headers'>
  rate: number
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
