/** What needs no quotes in the header: visible ASCII but `"`, `\`, `,` and `;` (RFC 9651). */
const BARE = /^[!#-+\--:<-[\]-~]{1,255}$/
const PRINTABLE = /^[ -~]{1,255}$/

/** A key for one request: 122 random bits, so that no two requests ever share one. */
export function newKey(): string {
  return globalThis.crypto.randomUUID()
}

/**
 * The key itself. Throws RangeError or TypeError for what cannot be one: a program in JavaScript may have null from its
 * database, which would be the key "null" of all such requests, or undefined, which would find any request.
 */
export function validKey(key: string): string {
  if (typeof key !== 'string') throw new TypeError(`key must be a string, not ${String(key)}`)
  if (PRINTABLE.test(key)) return key
  throw new RangeError(
    `key must be 1 to 255 printable ASCII characters, not ${JSON.stringify(key.slice(0, 80))}`,
  )
}

/** The value of the `Idempotency-Key` header for a key. Throws as `validKey`. */
export function keyHeader(key: string): string {
  if (BARE.test(validKey(key))) return key
  return `"${key.replace(/["\\]/g, '\\$&')}"`
}
