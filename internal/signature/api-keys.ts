import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { CLIENT_ID, OPEN_CLIENT } from './client-registry.ts'

export interface ApiKey {
  /** The user of the key: `[A-Za-z0-9._-]{1,64}`. A signing client with this name is the same caller. */
  readonly user: string
  readonly key: string
}

export interface ApiKeys {
  /** The user of this key; undefined if the key is unknown. Takes the same time for a known and an unknown key. */
  find(presented: string): string | undefined
}

/** The token syntax of RFC 6750, section 2.1. */
const TOKEN = '[A-Za-z0-9._~+/-]+=*'
const KEY = new RegExp(`^${TOKEN}$`)
const BEARER = new RegExp(`^bearer +(${TOKEN})$`, 'i')
const MIN_KEY = 8
const MAX_KEY = 255

/**
 * Parses `API_KEYS`: a comma-separated list of `user:key`, or `none`. A user may have several keys, so that a key can
 * be rotated.
 *
 * @throws One Error that lists every fault with the number of its entry. It quotes no entry, because an entry holds a
 *   key.
 * @example const keys = parseApiKeys('jane:0123456789abcdef0123456789abcdef')
 */
export function parseApiKeys(text: string): readonly ApiKey[] {
  if (text.trim() === 'none') return []
  const faults: string[] = []
  const seen = new Map<string, number>()
  const keys = text.split(',').map((entry, index) => {
    const number = index + 1
    const colon = entry.indexOf(':')
    const user = entry.slice(0, Math.max(colon, 0)).trim()
    const key = entry.slice(colon + 1).trim()
    const fault = (rule: string) => faults.push(`entry ${number} ${rule}`)
    if (colon === -1) fault('must be user:key')
    else if (!CLIENT_ID.test(user)) fault('must name a user of 1 to 64 of A-Z a-z 0-9 . _ -')
    else if (user === OPEN_CLIENT)
      fault(`must not name ${OPEN_CLIENT}, the reserved name of callers without credentials`)
    if (colon !== -1 && (key.length < MIN_KEY || key.length > MAX_KEY || !KEY.test(key)))
      fault(`must have a key of ${MIN_KEY} to ${MAX_KEY} of A-Z a-z 0-9 . _ ~ + / - with = at the end only`)
    const earlier = seen.get(key)
    if (colon !== -1 && earlier !== undefined) fault(`has the same key as entry ${earlier}`)
    else seen.set(key, number)
    return { user, key }
  })
  if (faults.length > 0) throw new Error(`must be user:key,user:key: ${faults.join('; ')}`)
  return keys
}

/**
 * Looks up users by key, in constant time.
 *
 * @example const keys = apiKeys(parseApiKeys('jane:0123456789abcdef0123456789abcdef'))
 */
export function apiKeys(keys: readonly ApiKey[]): ApiKeys {
  const entries = keys.map(({ user, key }) => ({ user, digest: digestOf(key) }))
  return {
    find(presented) {
      const digest = digestOf(presented)
      let found: string | undefined
      // No early exit, so that the time does not show the position of a key. timingSafeEqual needs buffers of equal length.
      for (const entry of entries) {
        const matches = timingSafeEqual(entry.digest, digest)
        found = matches ? entry.user : found
      }
      return found
    },
  }
}

/** The token of an `Authorization` header; undefined if the header is not `Bearer` and one token. */
export function bearerToken(authorization: string): string | undefined {
  return BEARER.exec(authorization)?.[1]
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

/** The API keys of the settings, and temporary keys that exist only in the memory of this process. */
export class TemporaryApiKeys implements ApiKeys {
  readonly #configured: ApiKeys
  readonly #users = new Map<string, Buffer>()

  constructor(configured: ApiKeys) {
    this.#configured = configured
  }

  /** Creates a key for this user (`[A-Za-z0-9._-]{1,64}`). It is valid until `remove`. */
  add(user: string): string {
    const key = randomBytes(24).toString('base64url')
    this.#users.set(user, digestOf(key))
    return key
  }

  remove(user: string): void {
    this.#users.delete(user)
  }

  find(presented: string): string | undefined {
    const digest = digestOf(presented)
    let found = this.#configured.find(presented)
    for (const [user, own] of this.#users) if (timingSafeEqual(own, digest)) found = user
    return found
  }
}
