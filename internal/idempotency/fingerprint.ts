import { hash } from 'node:crypto'

/** Of the 64 hex digits these name the request alone; 128 bits: two requests never meet by chance. */
const REQUEST_DIGITS = 32

/** A request as it is fingerprinted. `bodySha256` in lowercase hex; `more`: what belongs to it besides, if the route has such. */
export function requestText(method: string, target: string, bodySha256: string, more?: string): string {
  return `${method}\n${target}\n${bodySha256}${more === undefined ? '' : `\n${more}`}`
}

/**
 * The SHA-256 of a request, in hex. With credentials its second half is a hash of them and of the request, so that the
 * same request under other credentials can be told from another request. '' is no credentials.
 */
export function fingerprintOf(request: string, credentials: string): string {
  const whole = hash('sha256', request)
  if (credentials === '') return whole
  const shown = hash('sha256', `${whole}\n${credentials}`)
  return whole.slice(0, REQUEST_DIGITS) + shown.slice(0, REQUEST_DIGITS)
}

/** Of two fingerprints that differ: whether only the credentials do. */
export function isSameRequest(one: string, other: string): boolean {
  return one.slice(0, REQUEST_DIGITS) === other.slice(0, REQUEST_DIGITS)
}
