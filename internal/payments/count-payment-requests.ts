import { middleware } from '../core/compose.ts'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

export interface PaymentRequestCounts {
  onRequest: () => void
  /** The response is 5xx. A declined payment and an error of the client do not count. */
  onFailed: () => void
}

/** Counts the requests for payments. The first middleware of their routes, so that refused requests count too. */
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

/** `end`: a status, or what was thrown. */
function isFailure(end: unknown): boolean {
  if (end instanceof ServiceError) return end.status >= 500
  return typeof end !== 'number' || end >= 500
}
