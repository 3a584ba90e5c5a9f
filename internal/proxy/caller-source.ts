import { headerValues } from '../core/header-values.ts'
import { parseJson } from '../core/parse-json.ts'

/** Names the caller of a request without signatures. */
export type CallerSource =
  /** `name` in lower case. A gateway in front sets it and removes it from the requests of clients. */
  | { kind: 'header'; name: string }
  | { kind: 'cookie'; name: string }
  /** A claim of the JWT in `Authorization: Bearer`; its signature is not checked here. */
  | { kind: 'jwt'; claim: string }

const HEADER_NAME = /^[A-Za-z0-9-]{1,64}$/
/** A token (RFC 9110, 5.6.2), as the names of cookies are. */
const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/
const CLAIM = /^[ -~]{1,128}$/

/** Throws a plain Error with the rule. */
export function parseCallerSource(text: string): CallerSource {
  const [, kind, name = ''] = /^(header|cookie|jwt):(.+)$/.exec(text) ?? []
  if (kind === 'header') return { kind, name: headerName(name) }
  if (kind === 'cookie' && COOKIE_NAME.test(name)) return { kind, name }
  if (kind === 'jwt' && CLAIM.test(name)) return { kind, claim: name }
  throw new Error('must be header:NAME, cookie:NAME or jwt:CLAIM')
}

/** Throws a plain Error with the rule. */
export function headerName(text: string): string {
  if (!HEADER_NAME.test(text)) throw new Error('must be the name of a header')
  return text.toLowerCase()
}

/** The value that names the caller; '' without one. */
export function shownBy(source: CallerSource, rawHeaders: readonly string[]): string {
  switch (source.kind) {
    case 'header':
      return headerValues(rawHeaders, source.name).join('\n')
    case 'cookie':
      return cookieValues(rawHeaders, source.name).join('\n')
    case 'jwt':
      return claimOf(rawHeaders, source.claim)
  }
}

function cookieValues(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (const line of headerValues(rawHeaders, 'cookie')) {
    for (const pair of line.split(';')) {
      const at = pair.indexOf('=')
      if (at !== -1 && pair.slice(0, at).trim() === name) values.push(pair.slice(at + 1).trim())
    }
  }
  return values
}

/** With the issuer: subjects of two issuers may be equal. */
function claimOf(rawHeaders: readonly string[], claim: string): string {
  const [value = '', ...more] = headerValues(rawHeaders, 'authorization')
  const [, payload] = /^bearer +[\w-]+\.([\w-]+)\.[\w-]*$/i.exec(value) ?? []
  if (payload === undefined || more.length > 0) return ''
  const claims = parseObject(Buffer.from(payload, 'base64url').toString())
  const shown = claims?.get(claim)
  if (typeof shown !== 'number' && (typeof shown !== 'string' || shown === '')) return ''
  const issuer = claims?.get('iss')
  return JSON.stringify([typeof issuer === 'string' ? issuer : null, shown])
}

function parseObject(json: string): Map<string, unknown> | undefined {
  const value = parseJson(json)
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : undefined
}
