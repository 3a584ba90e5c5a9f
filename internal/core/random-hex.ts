import { randomBytes } from 'node:crypto'

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
