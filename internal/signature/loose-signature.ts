/** One HMAC that a malformed header may hold. */
export interface LooseMac {
  /** Whether the text is this MAC, in a form that clients write. */
  matches: (mac: Buffer) => boolean
  /** What is wrong with the form, if anything. */
  hint?: string
}

export interface LooseSignature {
  scheme: 'v0' | 'v1'
  /** The text after t=, if any. */
  time: string | undefined
  macs: LooseMac[]
  /** What is wrong with the rest of the header, if that is known. */
  form: string | undefined
}

const MAX_PARTS = 8
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/
const TIME = /^"?t(?:ime(?:stamp)?)?[=:]"?(-?[0-9][0-9.:TZ+-]{0,31})/i
const NAME = /^"?(?:v[01]|(?:hmac-?)?sha-?256|hmac|signature|sign|sig|mac|h|s)[=:]/i
/** What `openssl dgst` prints before the digits. */
const OPENSSL = /\((?:stdin|[^()]{1,100})\)=/

/** Reads a header leniently. Only for explanations: it never accepts a request. */
export function readLoosely(values: readonly string[]): LooseSignature | undefined {
  const text = values.join(',').trim()
  const parts = text.split(/[,;\s]+/).slice(0, MAX_PARTS)
  const time = parts.map((part) => TIME.exec(part)?.[1]).find((found) => found !== undefined)
  const macs = parts.filter((part) => !TIME.test(part)).flatMap(readMac)
  if (macs.length === 0) return undefined
  const scheme = time !== undefined || /v1=/i.test(text) ? 'v1' : 'v0'
  return { scheme, time, macs, form: formOf(text, time) }
}

function formOf(text: string, time: string | undefined): string | undefined {
  if (OPENSSL.test(text))
    return "the header has what openssl prints before the digits: remove it, with sed 's/.* //' or openssl dgst -r"
  const [, name] = /^"?(v0|(?:hmac-?)?sha-?256|hmac|signature|sig|mac)=/i.exec(text) ?? []
  if (name !== undefined) return `the header has "${name}=" before the digits: leave it out`
  if (/^(hmac|hmac-sha-?256|signature|bearer)\s/i.test(text))
    return 'the header has a word before the signature, as in Authorization: leave it out'
  if (/^v1=[^,]*,\s*t=/i.test(text)) return 'the time comes after the signature: write t= first'
  if (/^0x/i.test(text)) return 'the header has 0x before the digits: leave it out'
  if (/^["']/.test(text)) return 'the header value is in quotes: leave them out'
  if (time === undefined) return undefined
  if (/^[0-9]+\./.test(time))
    return 't has decimals: send whole seconds (int(time.time()), Math.floor(Date.now() / 1000))'
  if (/[-:T]/.test(time)) return 't is a date: send Unix seconds'
  if (/^0[0-9]/.test(time)) return 't has a leading zero: send it as a plain number'
  if (/;/.test(text)) return 't and v1 are separated by a semicolon: use a comma'
  if (/[,;]\s/.test(text)) return 'there is a space after the comma: leave it out'
  return undefined
}

function exactly(mac: Buffer): LooseMac['matches'] {
  return (other) => other.equals(mac)
}

function readMac(part: string): LooseMac[] {
  const text = part.replace(NAME, '').replace(/^0x|["']/gi, '')
  const digits = text.replaceAll(/[-:]/g, '')
  const found: LooseMac[] = []
  const isHex = /^([0-9a-f]{2})+$/i.test(digits)
  if (isHex) {
    const dashes = digits !== text
    const hint = 'the digits are separated by - or : (BitConverter.ToString): send only the digits'
    const matches = exactly(Buffer.from(digits, 'hex'))
    found.push(dashes ? { matches, hint } : { matches })
  }
  const inner = isHex ? Buffer.from(digits, 'hex').toString('latin1') : ''
  if (isMacHex(inner)) {
    const hint = 'the hex digits of the HMAC were hex-encoded a second time: encode its bytes once'
    found.push({ matches: exactly(Buffer.from(inner, 'hex')), hint })
  }
  if (/^[0-9a-f]{16,63}$/i.test(digits)) found.push(...shortened(digits.toLowerCase()))
  if (!BASE64.test(text)) return found
  const bytes = Buffer.from(text, 'base64')
  found.push({ matches: exactly(bytes), hint: 'the HMAC was sent in base64: send it in hex' })
  const ofHex = bytes.toString('latin1')
  if (isMacHex(ofHex)) {
    const hint = 'the hex digits of the HMAC were base64-encoded: send the hex digits'
    found.push({ matches: exactly(Buffer.from(ofHex, 'hex')), hint })
  }
  return found
}

/** Fewer hex digits than a MAC has. */
function shortened(digits: string): LooseMac[] {
  const zeros = 'leading zeros are missing in the hex digits: write each byte as two digits (%02x, HexFormat)'
  return [
    { matches: (mac) => mac.toString('hex').replace(/^0+/, '') === digits, hint: zeros },
    { matches: (mac) => [...mac].map((byte) => byte.toString(16)).join('') === digits, hint: zeros },
    {
      // Fewer digits could match by chance.
      matches: (mac) => digits.length >= 32 && mac.toString('hex').startsWith(digits),
      hint: `only the first ${digits.length} digits of the HMAC were sent: send all 64`,
    },
  ]
}

function isMacHex(text: string): boolean {
  return /^[0-9a-f]{64}$/i.test(text)
}
