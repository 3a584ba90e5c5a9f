const SLOTS = 16_384

/** The slot of a key in a Redis Cluster: CRC-16 (XMODEM) of its hash tag, or of the whole key. */
export function keySlot(key: string): number {
  let crc = 0
  for (const byte of Buffer.from(hashed(key))) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  return crc % SLOTS
}

/** The hash tag: the text between the first `{` and the next `}`, unless it is empty. */
function hashed(key: string): string {
  const start = key.indexOf('{')
  const end = key.indexOf('}', start + 1)
  return start < 0 || end <= start + 1 ? key : key.slice(start + 1, end)
}
