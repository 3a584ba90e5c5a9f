/*
 * What the API of the console and its page both speak of. Only types, and no imports: the page is compiled without Node.js.
 */

/** The state of one limit of a client. */
export interface ClientStanding {
  /** The routes of the limit. */
  group: string
  name: string
  quota: number
  remaining: number
  allowed: boolean
  resetAfterMs: number
}

/** A key whose outcome is unknown. */
export interface OpenKey {
  client: string
  scope: string
  key: string
  attempt: number
  reason: string | undefined
  sinceMs: number | undefined
  /** Names the record as it was shown: a change fails if it is another one. */
  seen: string
}

/** An open payment. */
export interface OpenPayment {
  client: string
  id: string
  scope: string
  key: string
  /** `unknown`: no response for a day. Only then an operator may settle it. */
  state: 'processing' | 'unknown'
  attempt: number
  checks: number
  amount: string
  currency: string | undefined
  ageMs: number
}

export interface OpenOutcomes {
  keys: OpenKey[]
  /** false: there are more, or the scan ended early. */
  complete: boolean
  payments: OpenPayment[]
}
