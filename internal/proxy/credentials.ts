import { isHopByHop } from './connection-headers.ts'

/** A request, or another program's record of one. */
export interface WithHeaders {
  req: { rawHeaders: readonly string[] }
}

/**
 * Headers that show who calls, as servers, gateways and frameworks name them. CSRF tokens, signatures and proofs are no
 * credentials: they change with each page or attempt.
 */
const CREDENTIAL =
  /^(?!.*(?:csrf|xsrf))(?:cookie2?|from|.*auth.*|.*token.*|.*api-?key.*|.*access-?key.*|.*secret.*|.*passw.*|.*session.*|.*jwt.*|.*oidc.*|.*cert.*|(?:.*-)?(?:user|account|tenant|customer|client|org|organization|member|principal|subject|identity)(?:-?(?:id|name|email))?)$/

/** Those of them that another one takes the place of while the caller stays the same. */
const REFRESHED = /^(?:authorization|cookie2?|.*token.*|.*session.*|.*jwt.*|.*oidc.*)$/

export function isRefreshed(name: string): boolean {
  return REFRESHED.test(name)
}

/** The credentials of a request in an order of their own, '' without any: a client may send its headers in another order. */
export function credentialsOf(request: WithHeaders): string {
  return sortedLines(request, (name) => CREDENTIAL.test(name) && !isHopByHop(name))
}

/** The header lines whose name, in lower case, is chosen. */
export function sortedLines(
  { req: { rawHeaders } }: WithHeaders,
  isChosen: (name: string) => boolean,
): string {
  const lines: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase()
    if (isChosen(name)) lines.push(`${name}: ${rawHeaders[i + 1] ?? ''}`)
  }
  return lines.sort().join('\n')
}
