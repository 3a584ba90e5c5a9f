import { headerValues } from '../core/header-values.ts'
import { type Malformed, type MessageSignature, parseMessageSignature } from './message-signature.ts'

/** The signature of a request, by syntax alone. */
export type SignatureHeader =
  | { scheme: 'v0'; mac: Buffer }
  | { scheme: 'v1'; timestamp: number; macs: Buffer[] }
  | MessageSignature
  | Malformed
  | 'missing'
  | 'malformed'

const V0 = /^[0-9A-Fa-f]{64}$/
/** `t`: Unix seconds as they were signed, without leading zeros. 15 digits at most are exact as a number. */
const V1 = /^t=(0|[1-9][0-9]{0,14})((?:,v1=[0-9A-Fa-f]{64}){1,3})$/

/** What comes before each v1 signature, and how many hex digits a signature has. */
const LABEL = ',v1='
const MAC_DIGITS = 64

/** Parses the signature headers. Never throws. Headers of two schemes in one request are malformed. */
export function readSignature(rawHeaders: readonly string[]): SignatureHeader {
  const own = headerValues(rawHeaders, 'x-signature')
  const inputs = headerValues(rawHeaders, 'signature-input')
  const signatures = headerValues(rawHeaders, 'signature')
  if (inputs.length === 0 && signatures.length === 0) return parseSignature(own)
  if (own.length > 0) return { malformed: 'X-Signature was sent together with the headers of RFC 9421' }
  return parseMessageSignature(inputs, signatures)
}

/** `values`: one element for each `X-Signature` line. */
export function parseSignature(
  values: readonly string[],
): Exclude<SignatureHeader, MessageSignature | Malformed> {
  const [value] = values
  if (value === undefined) return 'missing'
  if (values.length > 1) return 'malformed'
  // Check the grammar first: Buffer.from(…, 'hex') silently stops at the first character that is not hex.
  if (V0.test(value)) return { scheme: 'v0', mac: Buffer.from(value, 'hex') }
  const [, digits, list] = V1.exec(value) ?? []
  if (digits === undefined || list === undefined) return 'malformed'
  const macs: Buffer[] = []
  for (let at = LABEL.length; at < list.length; at += LABEL.length + MAC_DIGITS) {
    macs.push(Buffer.from(list.slice(at, at + MAC_DIGITS), 'hex'))
  }
  return { scheme: 'v1', timestamp: Number(digits), macs }
}
