import { middleware } from '../core/compose.ts'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

export interface PaymentRequestCounts {
  /** A request to a route of payments has come, whatever becomes of it. */
  onRequest: () => void
  /** It got 5xx. A declined payment is none: it is a response. Neither is what the sender has to correct. */
  onFailed: () => void
}

/** Counts the requests for payments: the first middleware of their routes, so that refused requests count, too. */
export function countPaymentRequests({ onRequest, onFailed }: PaymentRequestCounts): Middleware {
  return middleware(
    function countPaymentRequests() {
      onRequest()
      return undefined
    },
    function countFailed(ctx, thrown) {
      if (isFailure(thrown === undefined ? ctx.status : thrown)) onFailed()
      return thrown
    },
  )
}

/** A status, or what was thrown. */
function isFailure(end: unknown): boolean {
  if (end instanceof ServiceError) return end.status >= 500
  return typeof end !== 'number' || end >= 500
}
