import { parseDictionary, serializeBytes } from './structured-fields.ts'

/** RFC 9530: the value of `Content-Digest` for a body. `sha256` is hex. */
export function contentDigest(sha256: string): string {
  return `sha-256=${serializeBytes(Buffer.from(sha256, 'hex'))}`
}

/** What is wrong with the lines of a `Content-Digest`, in words for the partner; undefined if the body is this one. */
export function contentDigestFault(lines: readonly string[], sha256: string): string | undefined {
  const member = parseDictionary(lines)?.get('sha-256')
  if (member === undefined || !('item' in member) || member.item.type !== 'bytes')
    return 'Content-Digest must be sha-256=:<base64 of the 32 bytes>:'
  // Not secret: the sender of the body can compute it.
  if (member.item.value.toString('hex') === sha256) return undefined
  return 'Content-Digest is not the SHA-256 of the body as it was received'
}
