import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { parsePayRequest } from './pay-request.ts'
import { PAY_SCOPE } from './payment.ts'
import { type TakePaymentOptions, takePayment } from './take-payment.ts'

export interface PayOptions extends Pick<TakePaymentOptions, 'payOnce' | 'known'> {
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
 * `POST /pay`: pays without currency and payment method. A share of the requests gets 500 instead, before anything is
 * written, so that a retry with the same key starts from nothing.
 */
export function pay({ payOnce, known, failureRate, random }: PayOptions): Middleware {
  return takePayment({
    scope: PAY_SCOPE,
    payOnce,
    known,
    parse(json) {
      const { amount, user_id: userId } = parsePayRequest(json)
      return {
        amount,
        userId,
        currency: undefined,
        description: undefined,
        paymentMethod: undefined,
        metadata: undefined,
      }
    },
    beforePaying(attempt) {
      // After an attempt that left it open it is not certain that nothing happened.
      const rate = attempt === 1 ? failureRate : 0
      if (random() < rate) throw simulatedFailure()
    },
  })
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
