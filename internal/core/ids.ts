import { randomBytes } from 'node:crypto'

/** Of the first digit behind the third hyphen: the variant of RFC 9562. */
const VARIANT = '89ab'

/** A UUID of version 7 (RFC 9562, 5.7): Unix milliseconds, which sort by time, and 74 random bits. */
export function uuidV7(ms: number): string {
  const time = ms.toString(16).padStart(12, '0')
  const random = randomHex(10)
  const variant = VARIANT.charAt(Number.parseInt(random.charAt(3), 16) % VARIANT.length)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7, 19)}`
}

/** The lowest id that `uuidV7` can make at this time; all earlier ids are lower. Times before 1970 count as 0. */
export function lowestUuidV7(ms: number): string {
  const time = Math.max(0, ms).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`
}

/** Digits are made 8,192 at a time: a call of the system for each id costs many times what its digits do. */
const BLOCK_BYTES = 4_096
let digits = ''
let used = 0

/** So many cryptographically random bytes, as twice as many lowercase hex digits. */
export function randomHex(bytes: number): string {
  if (used + 2 * bytes > digits.length) {
    digits = randomBytes(BLOCK_BYTES).toString('hex')
    used = 0
  }
  const hex = digits.slice(used, used + 2 * bytes)
  used += 2 * bytes
  return hex
}
