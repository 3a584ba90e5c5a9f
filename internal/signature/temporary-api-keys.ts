import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { ApiKeys } from './api-keys.ts'

/** API keys that this process hands out for a while, beside those of the settings. They are nowhere but in memory. */
export class TemporaryApiKeys implements ApiKeys {
  readonly #lasting: ApiKeys
  readonly #users = new Map<string, Buffer>()

  constructor(lasting: ApiKeys) {
    this.#lasting = lasting
  }

  /** A new key for this user: `[A-Za-z0-9._-]{1,64}`. It is valid until `remove`. */
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
    let found = this.#lasting.find(presented)
    for (const [user, own] of this.#users) if (timingSafeEqual(own, digest)) found = user
    return found
  }
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
