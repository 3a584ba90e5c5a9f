import type { Stage } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'

export interface PaymentRequestCounts {
  /** A request has come so far that it is handled: who sent it is known, and the limits let it pass. */
  onRequest: () => void
  /** It was answered with 5xx. A declined payment is none: it is an answer. Neither is what the sender has to correct. */
  onFailed: () => void
}

/** Counts the requests for payments. Stands behind the limits, before the key: retries and replays are requests too. */
export function countPaymentRequests({ onRequest, onFailed }: PaymentRequestCounts): Stage {
  return async function countPaymentRequests(ctx, next) {
    onRequest()
    try {
      await next()
    } catch (error) {
      if (!(error instanceof ServiceError) || error.status >= 500) onFailed()
      throw error
    }
    if (ctx.status >= 500) onFailed()
  }
}
