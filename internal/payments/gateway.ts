export interface Charge {
  /** The gateway must charge at most once for a key, and finds the charge by it. */
  key: string
  /** Exact decimal text. */
  amount: string
  currency: string | undefined
  description: string | undefined
  /** Unmasked, as the client sent it: only the gateway gets it. */
  paymentMethod: string | undefined
  /** A JSON object. */
  metadata: string | undefined
}

export interface Charged {
  outcome: 'completed' | 'declined'
  /** The id that the gateway gave the charge. */
  chargeId: string
}

export type ChargeResult =
  | Charged
  /** It is certain that nothing was sent to the gateway. */
  | { outcome: 'unsent'; cause: Error }
  /** The gateway refused the request: nothing was charged. */
  | { outcome: 'refused'; status: number }
  /** The gateway is overloaded: nothing was charged. */
  | { outcome: 'busy'; retryAfterMs: number | undefined }
  | Unanswered

/** It may have been charged: no new charge before a lookup. */
export interface Unanswered {
  outcome: 'timeout' | 'error'
  cause: Error
}

export type FindResult =
  | Charged
  /** There is no such charge; one that was sent may still be on its way. */
  | { outcome: 'none' }
  | Unanswered

export interface ChargeOptions {
  /** Called just before the first byte is sent; false: nothing is sent, and the result is `unsent`. */
  mayLeave: () => boolean
  /** More headers, such as `traceparent`. */
  headers?: Readonly<Record<string, string>>
}

/** Both methods never reject and have their own timeout. */
export interface PaymentGateway {
  charge(charge: Charge, options: ChargeOptions): Promise<ChargeResult>
  find(key: string): Promise<FindResult>
  close(): void
}
