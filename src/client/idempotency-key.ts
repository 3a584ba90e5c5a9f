/** What needs no quotes in the header: visible ASCII but `"`, `\`, `,` and `;` (RFC 9651). */
const BARE = /^[!#-+\--:<-[\]-~]{1,255}$/
const PRINTABLE = /^[ -~]{1,255}$/

/** A key for one request: 122 random bits, so that no two requests ever share one. */
export function newKey(): string {
  return globalThis.crypto.randomUUID()
}

/** The value of the `Idempotency-Key` header for a key. Throws RangeError for what cannot be one. */
export function keyHeader(key: string): string {
  if (BARE.test(key)) return key
  if (!PRINTABLE.test(key))
    throw new RangeError(
      `key must be 1 to 255 printable ASCII characters, not ${JSON.stringify(key.slice(0, 80))}`,
    )
  return `"${key.replace(/["\\]/g, '\\$&')}"`
}
