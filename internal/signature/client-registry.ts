import { createSecretKey, type KeyObject } from 'node:crypto'

/** Weakest first. Each scheme covers everything that the schemes before it cover. */
export const SCHEMES = ['v0', 'v1', 'rfc9421'] as const
export type Scheme = (typeof SCHEMES)[number]

export function isWeaker(scheme: Scheme, minScheme: Scheme): boolean {
  return SCHEMES.indexOf(scheme) < SCHEMES.indexOf(minScheme)
}

/** A KeyObject instead of a string, so that logging a client does not print its secret. */
export type Secret = KeyObject

/** The secret's UTF-8 bytes are the HMAC key. */
export function toSecret(text: string): Secret {
  return createSecretKey(text, 'utf8')
}

/** A secret without an end. */
export function permanentSecret(text: string): ClientSecret {
  return { key: toSecret(text), expiresAtMs: undefined }
}

/** Enough for a second rotation before the first has ended. Every refused signature costs this many HMACs. */
export const MAX_SECRETS = 3

/** The client of signed requests without `X-Client-Id`. */
export const DEFAULT_CLIENT = 'default'

/** The client of requests without credentials, on routes that accept them. No other client may have this name. */
export const OPEN_CLIENT = 'anonymous'

export const CLIENT_ID = /^[A-Za-z0-9._-]{1,64}$/

export interface ClientSecret {
  readonly key: Secret
  /** The end of a retiring secret, in Unix milliseconds; undefined if it has none. */
  readonly expiresAtMs: number | undefined
}

export interface Client {
  readonly id: string
  /** The secrets in force, 1 to MAX_SECRETS, in no particular order. */
  readonly secrets: readonly ClientSecret[]
  /** Undefined: the `MIN_SCHEME` of the service. */
  readonly minScheme: Scheme | undefined
  /** Its own rate limits, in the syntax of `RATE_LIMITS`; undefined: the limits of the service. */
  readonly limits?: string | undefined
}

export interface ClientRegistry {
  /** Reads from memory. Never waits or throws. Takes the same time for a known and an unknown client. */
  find(client: string): Client | undefined
  /**
   * Called when a signature matched no secret. Reads changes that were made before the call, and resolves with true if
   * there were any: then the caller verifies again. Never rejects. Absent where clients cannot be re-read.
   */
  catchUp?(): Promise<boolean>
}
