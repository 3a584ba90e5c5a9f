import {
  type BareItem,
  type InnerList,
  type Member,
  parseDictionary,
  serializeString,
} from './structured-fields.ts'

/** One signature of RFC 9421, as far as it can be read without the rest of the request. */
export interface MessageSignature {
  readonly scheme: 'rfc9421'
  /** HMAC-SHA256, 32 bytes. */
  readonly mac: Buffer
  /** Names of the covered components, in their order; no name twice. */
  readonly covered: readonly string[]
  /** Unix seconds. */
  readonly created: number
  /** Unix seconds; after it the signature is void. */
  readonly expires: number | undefined
  /** The client id. */
  readonly keyid: string
  /** The value of `"@signature-params"`: covered components and parameters, serialised as RFC 9421 (2.3) says. */
  readonly params: string
}

/** Why there is no signature to check, in words for the partner, without the final stop. */
export interface Malformed {
  readonly malformed: string
}

/**
 * What can be computed exactly from the wire, beside header fields. Not `@scheme` and `@target-uri`: TLS may have
 * ended in front of us, so that we do not know what they were.
 */
const DERIVED = ['@method', '@path', '@query', '@request-target', '@authority'] as const

/** Field names, in lower case as the RFC wants them. The two that carry signatures cannot be part of one. */
const FIELD = /^(?!signature(-input)?$)[a-z0-9!#$%&'*+.^_`|~-]+$/

/** Everything that RFC 9421 registers. Others could have a meaning that we would not honour. */
const PARAMETERS: Record<string, 'integer' | 'string' | undefined> = {
  created: 'integer',
  expires: 'integer',
  nonce: 'string',
  alg: 'string',
  keyid: 'string',
  tag: 'string',
}

const MAC_BYTES = 32
/** Each is looked up among the headers: three times what the longest real signature covers. */
const MAX_COMPONENTS = 64

/**
 * Reads the lines of `Signature-Input` and `Signature`. Signatures with another `alg` than hmac-sha256 are not for us
 * (a proxy may add its own); of the rest there must be exactly one. Never throws.
 */
export function parseMessageSignature(
  inputs: readonly string[],
  signatures: readonly string[],
): MessageSignature | Malformed {
  if (inputs.length === 0) return { malformed: 'Signature came without Signature-Input' }
  if (signatures.length === 0) return { malformed: 'Signature-Input came without Signature' }
  const input = parseDictionary(inputs)
  if (input === undefined) return { malformed: 'Signature-Input is not a dictionary of RFC 9651' }
  const macs = parseDictionary(signatures)
  if (macs === undefined) return { malformed: 'Signature is not a dictionary of RFC 9651' }
  const candidates = [...input].filter(([, member]) => isForUs(member))
  const [candidate] = candidates
  if (candidate === undefined || candidates.length > 1)
    return { malformed: `${candidates.length} signatures have alg hmac-sha256 or none, it must be one` }
  const [label, list] = candidate
  if (!('items' in list)) return { malformed: `${label} in Signature-Input is not a list of components` }
  return readParameters(label, list) ?? assemble(label, list, macs.get(label))
}

function isForUs({ parameters }: Member): boolean {
  const alg = parameters.get('alg')
  return alg === undefined || alg.type !== 'string' || alg.value === 'hmac-sha256'
}

function readParameters(label: string, { parameters }: InnerList): Malformed | undefined {
  for (const [name, { type }] of parameters) {
    const wanted = PARAMETERS[name]
    if (wanted === undefined) return { malformed: `the parameter ${name} of ${label} is not known` }
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
    const why = hex ? ': it is the base64 of hex digits, encode the bytes of the HMAC instead' : ''
    return { malformed: `${label} in Signature has ${mac.length} bytes, it must be ${MAC_BYTES}${why}` }
  }
  const { length } = list.items
  if (length > MAX_COMPONENTS)
    return { malformed: `${label} covers ${length} components, at most ${MAX_COMPONENTS} are taken` }
  const names = new Set<string>()
  for (const { item, parameters } of list.items) {
    const name = item.type === 'string' ? item.value : undefined
    if (name === undefined || parameters.size > 0)
      return { malformed: `the components of ${label} must be strings without parameters` }
    if (!isComponent(name)) return { malformed: `the component "${name}" of ${label} is not supported` }
    if (names.has(name)) return { malformed: `the component "${name}" of ${label} comes twice` }
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

/** RFC 9421 (2.3): the covered components and the parameters, in the order given. */
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
