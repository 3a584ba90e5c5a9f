import { parseDictionary, serializeBytes } from './structured-fields.ts'

/** The value of `Content-Digest` (RFC 9530) for a body. `sha256` is hex. */
export function contentDigest(sha256: string): string {
  return `sha-256=${serializeBytes(Buffer.from(sha256, 'hex'))}`
}

/** What is wrong with `Content-Digest`, as text for the client; undefined if it is the digest of the body. */
export function contentDigestFault(lines: readonly string[], sha256: string): string | undefined {
  const member = parseDictionary(lines)?.get('sha-256')
  if (member === undefined || !('item' in member) || member.item.type !== 'bytes')
    return 'Content-Digest must be sha-256=:<base64 of the 32 bytes>:'
  // An ordinary comparison is enough: the digest is not secret.
  if (member.item.value.toString('hex') === sha256) return undefined
  return 'Content-Digest is not the SHA-256 of the body as it was received'
}
