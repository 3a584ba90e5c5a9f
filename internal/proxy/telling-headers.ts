/* Headers that make a request another one: they show another caller, or ask for something else. */
import { bySpelling } from '../core/header-values.ts'
import { isHopByHop } from './connection-headers.ts'

/** A request, or a record of one. */
export interface WithHeaders {
  req: { rawHeaders: readonly string[] }
}

/**
 * Headers that show who calls, as servers, gateways and frameworks name them. CSRF tokens, signatures and proofs are no
 * credentials: they change with each page or attempt.
 */
const CREDENTIAL =
  /^(?!.*(?:csrf|xsrf))(?:cookie2?|from|.*auth.*|.*token.*|.*api-?key.*|.*access-?key.*|.*secret.*|.*passw.*|.*session.*|.*jwt.*|.*oidc.*|.*cert.*|(?:.*-)?(?:user|account|tenant|customer|client|org|organization|member|principal|subject|identity)(?:-?(?:id|name|email))?)$/

/** Credentials that are refreshed while the caller stays the same. */
const REFRESHED = /^(?:authorization|cookie2?|.*token.*|.*session.*|.*jwt.*|.*oidc.*)$/

export function isRefreshed(name: string): boolean {
  return REFRESHED.test(name)
}

/** The credentials of a request, sorted, since a client may change the order of headers; '' without any. */
export function credentialsOf(request: WithHeaders): string {
  return sortedLines(request, isCredential)
}

const isCredential = bySpelling((name) => CREDENTIAL.test(name) && !isHopByHop(name))

/** The header lines whose name, as it was spelled, is chosen; the names in lower case. */
function sortedLines({ req: { rawHeaders } }: WithHeaders, isChosen: (spelled: string) => boolean): string {
  let lines: string[] | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const spelled = rawHeaders[i] ?? ''
    if (!isChosen(spelled)) continue
    lines ??= []
    lines.push(`${spelled.toLowerCase()}: ${rawHeaders[i + 1] ?? ''}`)
  }
  return lines === undefined ? '' : lines.sort().join('\n')
}

/** With these the same method, target and body are another request: conditions (RFC 9110, 13.1). */
const CONDITIONS = new Set(['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'])

/** They select what comes back of a GET, and mean nothing with a method that changes something (RFC 9110, 14.2). */
const RANGES = new Set(['range', 'if-range'])

/** wget resumes the response to a POST that broke off: it sends the POST again with a Range. */
const WITHOUT_RANGES = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** The selectors of a request, sorted; '' without any. */
export function selectorsOf(request: WithHeaders & { method: string }): string {
  return sortedLines(request, WITHOUT_RANGES.has(request.method) ? isCondition : isSelector)
}

const isCondition = bySpelling((name) => CONDITIONS.has(name))
const isSelector = bySpelling((name) => CONDITIONS.has(name) || RANGES.has(name))
