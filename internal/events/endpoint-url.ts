import { isIP } from 'node:net'
import { isPublicAddress } from './public-address.ts'

export const MAX_URL = 2_000

export interface EndpointRules {
  /** Allows http and private addresses, for tests on one machine. */
  allowLocal: boolean
}

/**
 * `new URL` silently removes white space and control characters, reads a backslash as a slash and adds missing slashes: the
 * host that a person reads would not be the one that is called.
 */
const ABSOLUTE = /^[a-z]+:\/\/(?=[^/])[!-[\]-~]+$/i

/** Why a URL cannot be that of an endpoint; undefined: it can. The addresses of a name are checked at each connection. */
export function endpointUrlFault(text: string, { allowLocal }: EndpointRules): string | undefined {
  if (text.length > MAX_URL) return `must have at most ${MAX_URL} characters`
  const url = ABSOLUTE.test(text) && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return 'must be an absolute URL of ASCII characters'
  if (url.protocol !== 'https:' && !(allowLocal && url.protocol === 'http:'))
    return allowLocal ? 'must be an http or https URL' : 'must be an https URL'
  if (url.username !== '' || url.password !== '') return 'must have no user and no password'
  if (url.hash !== '' || text.includes('#')) return 'must have no fragment'
  const host = hostOf(url)
  if (!allowLocal && isIP(host) !== 0 && !isPublicAddress(host)) return 'must not be a private address'
  return undefined
}

/** Without the brackets of IPv6. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '')
}
