/** One HMAC that a badly written `X-Signature` may hold. */
export interface LooseMac {
  mac: Buffer
  /** What is wrong with how it is written, if anything. */
  says?: string
}

export interface LooseSignature {
  scheme: 'v0' | 'v1'
  /** The digits of t, if there are any. */
  time: string | undefined
  macs: LooseMac[]
}

const MAX_PARTS = 8
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/

/** Reads `X-Signature` as its author may have meant it. Only for explaining: nothing here decides who gets in. */
export function readLoosely(values: readonly string[]): LooseSignature | undefined {
  const text = values.join(',').trim()
  const parts = text.split(/[,;\s]+/).slice(0, MAX_PARTS)
  const time = parts
    .map((part) => /^"?t[=:]"?(-?[0-9]{1,16})/i.exec(part)?.[1])
    .find((digits) => digits !== undefined)
  const macs = parts.filter((part) => !/^"?t[=:]/i.test(part)).flatMap(readMac)
  if (macs.length === 0) return undefined
  return { scheme: time !== undefined || /v1=/i.test(text) ? 'v1' : 'v0', time, macs }
}

function readMac(part: string): LooseMac[] {
  const text = part
    .replace(/^"?(?:v[01]|(?:hmac-?)?sha-?256|hmac|signature|mac)[=:]/i, '')
    .replace(/^0x|["']/gi, '')
  const found: LooseMac[] = []
  const hex = /^([0-9a-f]{2})+$/i.test(text)
  if (hex) found.push({ mac: Buffer.from(text, 'hex') })
  const inner = hex ? Buffer.from(text, 'hex').toString('latin1') : ''
  if (isMacHex(inner)) {
    found.push({
      mac: Buffer.from(inner, 'hex'),
      says: 'the hex digits of the HMAC were hex-encoded a second time',
    })
  }
  if (!BASE64.test(text)) return found
  const bytes = Buffer.from(text, 'base64')
  found.push({ mac: bytes, says: 'the HMAC was sent in base64: send it in hex' })
  const ofHex = bytes.toString('latin1')
  if (isMacHex(ofHex)) {
    found.push({
      mac: Buffer.from(ofHex, 'hex'),
      says: 'the hex digits of the HMAC were base64-encoded: send the hex digits',
    })
  }
  return found
}

function isMacHex(text: string): boolean {
  return /^[0-9a-f]{64}$/i.test(text)
}
