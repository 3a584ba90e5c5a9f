import { type JsonBody, type Middleware, required } from '../core/request-state.ts'
import { outgoingTrace } from '../telemetry/trace.ts'
import type { KnownPayment, Paid, PaymentIntent } from './pay-once.ts'
import type { PaymentTerms } from './payment.ts'

/** What a body asks for. */
export type PaymentDetails = Omit<PaymentTerms, 'client' | 'scope' | 'key'>

export interface TakePaymentOptions {
  /** Method and path, such as `POST /pay`: each has keys of its own. */
  scope: string
  /** Throws `validation_failed`. */
  parse: (json: JsonBody) => PaymentDetails
  payOnce: (intent: PaymentIntent) => Promise<Paid>
  known: KnownPayment
  /** Called before anything is written. An error that it throws is the response. */
  beforePaying?: (attempt: number) => void
  /** The path at which a payment can be read, for the Location header. */
  pathOf?: (id: string) => string
}

/** Pays once: 200 completed, 402 declined. Needs the idempotency middleware and the parsed body in front of it. */
export function takePayment(options: TakePaymentOptions): Middleware {
  const { scope, parse, payOnce, known, beforePaying, pathOf } = options
  return async function takePayment(ctx) {
    const { client } = required(ctx, 'caller', 'authenticate')
    const attempt = required(ctx, 'attempt', 'idempotency')
    const json = required(ctx, 'json', 'jsonBody')
    const { key, fingerprint } = attempt
    const pay = async (): Promise<Paid> => {
      let details: PaymentDetails
      try {
        details = parse(json)
      } catch (refusal) {
        return await known({ client, scope, key, fingerprint }, refusal)
      }
      beforePaying?.(attempt.number)
      const { requestId, trace } = ctx.state
      const headers = trace === undefined ? {} : outgoingTrace(trace)
      return await payOnce({ ...details, client, scope, key, fingerprint, requestId, headers })
    }
    const { id, response, replayed } = await pay()
    attempt.replayed = replayed
    ctx.status = response.status
    if (pathOf !== undefined) ctx.set('Location', pathOf(id))
    ctx.set('Content-Type', 'application/json; charset=utf-8')
    ctx.body = response.body
  }
}
