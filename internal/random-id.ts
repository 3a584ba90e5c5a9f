import { randomFillSync } from 'node:crypto'

const ID_BYTES = 16
/** Made 256 ids at a time: a call of the system for each costs many times what its bytes do. */
const block = new Uint8Array(256 * ID_BYTES)
let used = block.length

/** 16 cryptographically random bytes, for who has used them before the next 256 calls. */
export function randomId(): Uint8Array {
  if (used === block.length) {
    randomFillSync(block)
    used = 0
  }
  used += ID_BYTES
  return block.subarray(used - ID_BYTES, used)
}
