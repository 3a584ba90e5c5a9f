import { bySpelling } from '../core/header-values.ts'
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
  return sortedLines(request, isCredential)
}

const isCredential = bySpelling((name) => CREDENTIAL.test(name) && !isHopByHop(name))

/** The header lines whose name, as it was spelled, is chosen; the names in lower case. */
export function sortedLines(
  { req: { rawHeaders } }: WithHeaders,
  isChosen: (spelled: string) => boolean,
): string {
  let lines: string[] | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const spelled = rawHeaders[i] ?? ''
    if (!isChosen(spelled)) continue
    lines ??= []
    lines.push(`${spelled.toLowerCase()}: ${rawHeaders[i + 1] ?? ''}`)
  }
  return lines === undefined ? '' : lines.sort().join('\n')
}
