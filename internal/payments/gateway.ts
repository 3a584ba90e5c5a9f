/** What is to be charged. */
export interface Charge {
  /** The gateway must charge at most once for it, and finds the charge by it. */
  key: string
  /** Exact decimal text. */
  amount: string
  currency: string | undefined
  description: string | undefined
  /** Whole, as the partner sent it: it goes to the gateway and nowhere else. */
  paymentMethod: string | undefined
  /** A JSON object. */
  metadata: string | undefined
}

export interface Charged {
  outcome: 'completed' | 'declined'
  /** What the gateway calls the charge. */
  chargeId: string
}

/** What became of a charge that was sent, or was not. */
export type ChargeResult =
  | Charged
  /** Nothing has left for the gateway, for certain. */
  | { outcome: 'unsent'; cause: Error }
  /** The gateway responded that it does not take such a request: nothing was charged. */
  | { outcome: 'refused'; status: number }
  /** The gateway has too much to do: nothing was charged. */
  | { outcome: 'busy'; retryAfterMs: number | undefined }
  | Unanswered

/** It may have happened: nothing may be charged again before the gateway was asked. */
export interface Unanswered {
  outcome: 'timeout' | 'error'
  cause: Error
}

export type FindResult =
  | Charged
  /** There is no such charge, yet: one that was sent may still be on its way. */
  | { outcome: 'none' }
  | Unanswered

export interface ChargeOptions {
  /** Asked just before the first byte leaves; false: it does not leave, and the result is `unsent`. */
  mayLeave: () => boolean
  /** To be sent along, such as `traceparent`. */
  headers?: Readonly<Record<string, string>>
}

/** Neither method rejects, and both end within a timeout of their own. */
export interface PaymentGateway {
  charge(charge: Charge, options: ChargeOptions): Promise<ChargeResult>
  /** The charge with this key. */
  find(key: string): Promise<FindResult>
  close(): void
}
