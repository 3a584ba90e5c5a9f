/** Keys that need no quotes in the header: visible ASCII except `"`, `\`, `,` and `;` (RFC 9651). */
const BARE = /^[!#-+\--:<-[\]-~]{1,255}$/
const PRINTABLE = /^[ -~]{1,255}$/

/** A new key: a random UUID (122 random bits). */
export function newKey(): string {
  return globalThis.crypto.randomUUID()
}

/**
 * Returns the key. Throws RangeError for an invalid key, and TypeError if it is not a string: a program in JavaScript may
 * pass null, which would become the key "null" of all such requests, or undefined, which would find any request.
 */
export function validKey(key: string): string {
  if (typeof key !== 'string') throw new TypeError(`key must be a string, not ${String(key)}`)
  if (PRINTABLE.test(key)) return key
  throw new RangeError(
    `key must be 1 to 255 printable ASCII characters, not ${JSON.stringify(key.slice(0, 80))}`,
  )
}

/** The value of the `Idempotency-Key` header for a key, quoted if necessary. Throws like `validKey`. */
export function keyHeader(key: string): string {
  if (BARE.test(validKey(key))) return key
  return `"${key.replace(/["\\]/g, '\\$&')}"`
}
