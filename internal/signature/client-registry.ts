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

/** Enough for a rotation on top of an unfinished one. Every refusal costs this many HMACs. */
export const MAX_SECRETS = 3

/** Who signs without `X-Client-Id`. */
export const DEFAULT_CLIENT = 'default'

export const CLIENT_ID = /^[A-Za-z0-9._-]{1,64}$/

export interface Client {
  readonly id: string
  /** The active ones, 1 to MAX_SECRETS; the order means nothing. */
  readonly secrets: readonly Secret[]
  /** Undefined: what the service asks of everybody. */
  readonly minScheme: Scheme | undefined
}

export interface ClientRegistry {
  /**
   * The client as it is at this moment, from memory: it neither waits nor throws, and takes as long for an
   * unknown client as for a known one.
   */
  find(client: string): Client | undefined
}
