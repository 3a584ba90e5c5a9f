/** Who the fuzzed service knows. Every secret has the word `canary`: none may turn up anywhere. */
export const CANARY = 'canary'

export interface Signer {
  /** undefined: no X-Client-Id, which is client `default`. */
  client: string | undefined
  secret: string
}

export const DEFAULT: Signer = { client: undefined, secret: 'canary-secret-of-default' }
export const ACME: Signer = { client: 'acme', secret: 'canary-secret-of-acme' }
/** Takes no v0. */
export const STRICT: Signer = { client: 'strict', secret: 'canary-secret-of-strict' }
/** No case signs for it with this secret: it must stay as if the run had not been. */
export const VICTIM: Signer = { client: 'victim', secret: 'canary-secret-of-victim' }

export const PAYER = { user: 'payer', key: 'canary-api-key-of-payer' }
/** Its key is used to look at its limits at the end, and for nothing else. */
export const VICTIM_PAYER = { user: 'victim-payer', key: 'canary-API-key-of-Victim' }
export const OPERATOR_TOKEN = 'canary-operator-token'

export const CLIENTS = {
  acme: { secrets: [ACME.secret] },
  strict: { secrets: [STRICT.secret, 'canary-second-secret-of-strict'], min_scheme: 'v1' },
  victim: { secrets: [VICTIM.secret] },
}

/** The most that can be set: more than a run of some minutes sends, in a window that none outlasts. What is used is counted. */
export const QUOTA = 1_000_000

export const SETTINGS = {
  HMAC_SECRET: DEFAULT.secret,
  API_KEYS: [PAYER, VICTIM_PAYER].map(({ user, key }) => `${user}:${key}`).join(),
  RATE_LIMITS: `global=${QUOTA}/720h:fixed-window,client=${QUOTA}/720h:fixed-window`,
}
