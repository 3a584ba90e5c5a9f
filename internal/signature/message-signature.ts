import {
  type BareItem,
  type InnerList,
  type Member,
  parseDictionary,
  serializeString,
} from './structured-fields.ts'

/** One RFC 9421 signature, parsed from its headers alone. */
export interface MessageSignature {
  readonly scheme: 'rfc9421'
  /** HMAC-SHA256, 32 bytes. */
  readonly mac: Buffer
  /** Names of the covered components, in order, without repetition. */
  readonly covered: readonly string[]
  /** Unix seconds. */
  readonly created: number
  /** Unix seconds; after this second the signature is not accepted. */
  readonly expires: number | undefined
  /** The client id. */
  readonly keyid: string
  /** The value of `"@signature-params"`: covered components and parameters, serialised as RFC 9421 (2.3) says. */
  readonly params: string
}

/** Why the headers hold no usable signature: text for the client, without the final full stop. */
export interface Malformed {
  readonly malformed: string
}

/**
 * The derived components that can be computed exactly from the request. Not `@scheme` and `@target-uri`: a proxy may
 * terminate TLS, and then the service does not know them.
 */
const DERIVED = ['@method', '@path', '@query', '@request-target', '@authority'] as const

/** Field names, in lower case as RFC 9421 requires, except `signature` and `signature-input`. */
const FIELD = /^(?!signature(-input)?$)[a-z0-9!#$%&'*+.^_`|~-]+$/

/** The parameters that RFC 9421 registers. Others are refused: they could change the meaning of the signature. */
const PARAMETERS: Record<string, 'integer' | 'string' | undefined> = {
  created: 'integer',
  expires: 'integer',
  nonce: 'string',
  alg: 'string',
  keyid: 'string',
  tag: 'string',
}

const MAC_BYTES = 32
/** Three times the components of the longest real signature. Each costs a search in the headers. */
const MAX_COMPONENTS = 64

/**
 * Parses the lines of `Signature-Input` and `Signature`. Ignores signatures with another `alg` than hmac-sha256 (a proxy
 * may add its own); exactly one signature must remain. Never throws.
 */
export function parseMessageSignature(
  inputs: readonly string[],
  signatures: readonly string[],
): MessageSignature | Malformed {
  if (inputs.length === 0) return { malformed: 'Signature was sent without Signature-Input' }
  if (signatures.length === 0) return { malformed: 'Signature-Input was sent without Signature' }
  const input = parseDictionary(inputs)
  if (input === undefined) return { malformed: 'Signature-Input is not a dictionary of RFC 9651' }
  const macs = parseDictionary(signatures)
  if (macs === undefined) return { malformed: 'Signature is not a dictionary of RFC 9651' }
  const candidates = [...input].filter(([, member]) => isHmac(member))
  const [candidate] = candidates
  if (candidate === undefined || candidates.length > 1)
    return {
      malformed: `${candidates.length} signatures have alg hmac-sha256 or no alg; exactly one is accepted`,
    }
  const [label, list] = candidate
  if (!('items' in list)) return { malformed: `${label} in Signature-Input is not a list of components` }
  return readParameters(label, list) ?? assemble(label, list, macs.get(label))
}

function isHmac({ parameters }: Member): boolean {
  const alg = parameters.get('alg')
  return alg === undefined || alg.type !== 'string' || alg.value === 'hmac-sha256'
}

function readParameters(label: string, { parameters }: InnerList): Malformed | undefined {
  for (const [name, { type }] of parameters) {
    const wanted = PARAMETERS[name]
    if (wanted === undefined) return { malformed: `the parameter ${name} of ${label} is not supported` }
    if (type !== wanted) return { malformed: `the parameter ${name} of ${label} must be of type ${wanted}` }
  }
  for (const name of ['created', 'keyid']) {
    if (!parameters.has(name)) return { malformed: `${label} must have the parameter ${name}` }
  }
  return undefined
}

function assemble(
  label: string,
  list: InnerList,
  signature: Member | undefined,
): MessageSignature | Malformed {
  if (signature === undefined) return { malformed: `Signature has no member ${label}` }
  if (!('item' in signature) || signature.item.type !== 'bytes' || signature.parameters.size > 0)
    return { malformed: `${label} in Signature must be :<base64>:` }
  const mac = signature.item.value
  if (mac.length !== MAC_BYTES) {
    const hex = mac.length === 2 * MAC_BYTES && /^[0-9a-f]+$/i.test(mac.toString('latin1'))
    const why = hex ? ': it is the base64 of hex digits; encode the bytes of the HMAC instead' : ''
    return { malformed: `${label} in Signature has ${mac.length} bytes, but must have ${MAC_BYTES}${why}` }
  }
  const { length } = list.items
  if (length > MAX_COMPONENTS)
    return { malformed: `${label} covers ${length} components, but at most ${MAX_COMPONENTS} are accepted` }
  const names = new Set<string>()
  for (const { item, parameters } of list.items) {
    const name = item.type === 'string' ? item.value : undefined
    if (name === undefined || parameters.size > 0)
      return { malformed: `the components of ${label} must be strings without parameters` }
    if (!isComponent(name)) return { malformed: `the component "${name}" of ${label} is not supported` }
    if (names.has(name)) return { malformed: `the component "${name}" of ${label} is repeated` }
    names.add(name)
  }
  const covered = [...names]
  return {
    scheme: 'rfc9421',
    mac,
    covered,
    created: integer(list.parameters.get('created')) ?? Number.NaN,
    expires: integer(list.parameters.get('expires')),
    keyid: String(list.parameters.get('keyid')?.value),
    params: signatureParams(
      covered,
      [...list.parameters].map(([name, { value }]) => [name, value]),
    ),
  }
}

function isComponent(name: string): boolean {
  return DERIVED.some((derived) => derived === name) || FIELD.test(name)
}

function integer(item: BareItem | undefined): number | undefined {
  return item?.type === 'integer' ? item.value : undefined
}

/** Serialises the covered components and the parameters as RFC 9421 (2.3) says, in the given order. */
export function signatureParams(
  covered: readonly string[],
  parameters: readonly (readonly [string, number | string | Buffer])[],
): string {
  const list = covered.map(serializeString).join(' ')
  const tail = parameters.map(([name, value]) =>
    typeof value === 'number' ? `;${name}=${value}` : `;${name}=${serializeString(String(value))}`,
  )
  return `(${list})${tail.join('')}`
}
