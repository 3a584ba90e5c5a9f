import { headerValues, KEY_HEADERS, trimOws } from '../core/header-values.ts'
import { contentDigestFault } from './content-digest.ts'
import type { MessageSignature } from './message-signature.ts'
import type { SignedRequest } from './schemes.ts'

/** The start of the last line of every signature base, after at least one other line. */
const PARAMS_LINE = Buffer.from('\n"@signature-params": (')
const QUOTE = 0x22

/**
 * The signature base (RFC 9421, 2.5): a line for each component and one for the parameters, joined by LF, without LF at
 * the end. Undefined if a covered field is absent, or a value is not one line of printable ASCII.
 */
export function signatureBase(
  request: SignedRequest,
  { covered, params }: Pick<MessageSignature, 'covered' | 'params'>,
): string | undefined {
  const lines: string[] = []
  for (const name of covered) {
    const value = componentValue(request, name)
    if (value === undefined || !/^[\t -~]*$/.test(value)) return undefined
    lines.push(`"${name}": ${value}`)
  }
  return [...lines, `"@signature-params": ${params}`].join('\n')
}

/** The value of a component (RFC 9421, 2.1 and 2.2). Undefined if the request does not have it. */
export function componentValue(request: SignedRequest, name: string): string | undefined {
  const { method, target, rawHeaders } = request
  const query = target.indexOf('?')
  switch (name) {
    case '@method':
      return method
    case '@request-target':
      return target
    case '@path':
      return query === -1 ? target : target.slice(0, query)
    case '@query':
      return query === -1 ? '?' : target.slice(query)
    case '@authority': {
      const [host, ...others] = headerValues(rawHeaders, 'host')
      return others.length > 0 ? undefined : host?.toLowerCase().replace(/:80$/, '')
    }
    default: {
      const lines = headerValues(rawHeaders, name)
      return lines.length === 0 ? undefined : lines.map(trimOws).join(', ')
    }
  }
}

/**
 * Why a well-formed signature does not satisfy our profile: text for the client, without the final full stop. A
 * signature must cover method, path, query, body and key. The result depends on the request only, never on clients.
 */
export function profileFault(request: SignedRequest, signature: MessageSignature): string | undefined {
  const { target, rawHeaders, body } = request
  const { covered, keyid } = signature
  // In an absolute target the path is at another position. `/orders?` and `/orders` have the same @query.
  if (!target.startsWith('/') || target.includes('#') || target.endsWith('?'))
    return 'the request target must be a path, and its query must not be empty'
  const has = (name: string) => headerValues(rawHeaders, name).length > 0
  const needed = [
    '@method',
    '@path',
    ...(target.includes('?') ? ['@query'] : []),
    ...(body.bytes.length > 0 ? ['content-digest'] : []),
    ...KEY_HEADERS.filter(has),
  ]
  const missing = needed.filter((name) => !covered.includes(name))
  if (missing.length > 0) return `it must cover ${missing.map((name) => `"${name}"`).join(' ')}`
  const absent = covered.find((name) => componentValue(request, name) === undefined)
  if (absent !== undefined) return `the covered field "${absent}" was not received`
  if (signatureBase(request, signature) === undefined) return 'the covered values must be printable ASCII'
  if (covered.includes('content-digest')) {
    const fault = contentDigestFault(headerValues(rawHeaders, 'content-digest'), body.sha256)
    if (fault !== undefined) return fault
  }
  const claimed = headerValues(rawHeaders, 'x-client-id')
  if (claimed.length > 0 && claimed.join(',') !== keyid) return 'X-Client-Id and keyid must be the same'
  return undefined
}

/** Whether an RFC 9421 signature over these bytes could be replayed as a v0 signature of this body. */
export function looksLikeSignatureBase(body: Buffer): boolean {
  return body[0] === QUOTE && body.includes(PARAMS_LINE)
}
