/*
 * What the API of the console and its page both speak of. Only types, and no imports: the page is compiled without Node.js.
 */

/** Where a client stands in one of its limits. */
export interface ClientStanding {
  /** Of which routes. */
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
  /** Names what was seen, so that a change is made to that and to nothing else. */
  seen: string
}

/** A payment that the gateway has not told about. */
export interface OpenPayment {
  client: string
  id: string
  scope: string
  key: string
  /** `unknown`: the gateway did not say for a day. Only then an operator may say it. */
  state: 'processing' | 'unknown'
  attempt: number
  checks: number
  amount: string
  currency: string | undefined
  ageMs: number
}

export interface OpenOutcomes {
  keys: OpenKey[]
  /** false: there are more, or there was no time to look at all. */
  complete: boolean
  payments: OpenPayment[]
}
