import { randomBytes } from 'node:crypto'

/** The possible first digits after the third hyphen: the variant of RFC 9562. */
const VARIANT = '89ab'

/** A UUID of version 7 (RFC 9562, 5.7): Unix milliseconds, which sort by time, and 74 random bits. */
export function uuidV7(ms: number): string {
  const time = ms.toString(16).padStart(12, '0')
  const random = randomHex(10)
  const variant = VARIANT.charAt(Number.parseInt(random.charAt(3), 16) % VARIANT.length)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7, 19)}`
}

/**
 * A lower bound of the ids that `uuidV7` makes at this time or later. All earlier ids are lower. Times before 1970
 * count as 0.
 */
export function lowestUuidV7(ms: number): string {
  const time = Math.max(0, ms).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`
}

/** Random bytes are read in blocks: a system call for each id would cost many times more. */
const BLOCK_BYTES = 4_096
let digits = ''
let used = 0

/** Cryptographically random bytes as lowercase hex, two digits for each byte. */
export function randomHex(bytes: number): string {
  if (used + 2 * bytes > digits.length) {
    digits = randomBytes(BLOCK_BYTES).toString('hex')
    used = 0
  }
  const hex = digits.slice(used, used + 2 * bytes)
  used += 2 * bytes
  return hex
}
