import { createSecretKey, type KeyObject } from 'node:crypto'

/** Weakest first. A scheme later in the list covers everything that the earlier ones cover. */
export const SCHEMES = ['v0', 'v1', 'rfc9421'] as const
export type Scheme = (typeof SCHEMES)[number]

export function isWeaker(scheme: Scheme, minScheme: Scheme): boolean {
  return SCHEMES.indexOf(scheme) < SCHEMES.indexOf(minScheme)
}

/** A KeyObject and not a string, so that logging a client prints no secret. */
export type Secret = KeyObject

/** The secret's UTF-8 bytes are the HMAC key. */
export function toSecret(text: string): Secret {
  return createSecretKey(text, 'utf8')
}

/** A secret that stays until it is taken away. */
export function lasting(text: string): ClientSecret {
  return { key: toSecret(text), expiresAtMs: undefined }
}

/** Enough for a rotation on top of an unfinished one. Every refusal costs this many HMACs. */
export const MAX_SECRETS = 3

/** Who signs without `X-Client-Id`. */
export const DEFAULT_CLIENT = 'default'

/** The client of calls to an open route without credentials. No other client may have this name. */
export const OPEN_CLIENT = 'anonymous'

export const CLIENT_ID = /^[A-Za-z0-9._-]{1,64}$/

export interface ClientSecret {
  readonly key: Secret
  /** When a retiring secret ends, Unix milliseconds; undefined for one that stays. */
  readonly expiresAtMs: number | undefined
}

export interface Client {
  readonly id: string
  /** Those in force, 1 to MAX_SECRETS; the order means nothing. */
  readonly secrets: readonly ClientSecret[]
  /** Undefined: what the service asks of every client. */
  readonly minScheme: Scheme | undefined
  /** Its rate limits, as text; undefined: the common ones. */
  readonly limits?: string | undefined
}

export interface ClientRegistry {
  /** From memory: never waits or throws, and takes as long for an unknown client as for a known one. */
  find(client: string): Client | undefined
  /**
   * For a signature that matched nothing: resolves with true if anything has changed that was in force before the call,
   * so that looking again makes sense. Never rejects. Absent where there is nothing to catch up with.
   */
  catchUp?(): Promise<boolean>
}
