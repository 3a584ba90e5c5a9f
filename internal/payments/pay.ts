import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { parsePayRequest } from './pay-request.ts'
import { PAY_SCOPE } from './payment.ts'
import { type TakePaymentOptions, takePayment } from './take-payment.ts'

export interface PayOptions extends Pick<TakePaymentOptions, 'payOnce' | 'known'> {
  /** 0..1: the share of the requests that fail on purpose, without effect. */
  failureRate: number
  /** 0 to less than 1. */
  random: () => number
}

/** Short enough for a person to watch, long enough to see a backoff. */
const RETRY_AFTER_MS = 100
/** Marks a simulated failure. */
const ON_PURPOSE = new Error('SIMULATED_FAILURE_RATE asked for this failure')

/** `POST /pay`: pays without currency and payment method. A share of the requests gets 500 before anything is written. */
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
      // A later attempt may find a charge of an earlier one: then "nothing happened" would be wrong.
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

/** A simulated failure is not logged as an error. */
export function isSimulatedFailure(error: unknown): boolean {
  return error instanceof ServiceError && error.cause === ON_PURPOSE
}
