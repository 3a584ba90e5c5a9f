import type { IncomingMessage } from 'node:http'

/** The value of each line of a header, in order; `name` in lower case. (`req.headers` of Node.js joins repeated lines.) */
export function headerValues(rawHeaders: readonly string[], name: string): readonly string[] {
  let values: string[] | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const candidate = rawHeaders[i]
    if (candidate?.length !== name.length || candidate.toLowerCase() !== name) continue
    const value = rawHeaders[i + 1] ?? ''
    // Usually there is one value or none; an array that grows by push() reserves room for many.
    if (values === undefined) values = [value]
    else values.push(value)
  }
  return values ?? NONE
}

const NONE: readonly string[] = Object.freeze([])

/**
 * The header lines as received: name, value, name, value, ... A request without a connection, such as one of
 * serverless-http, has no `rawHeaders`; then they are built from its headers.
 */
export function headerLines({ rawHeaders, headers }: IncomingMessage): readonly string[] {
  if (rawHeaders.length > 0) return rawHeaders
  return Object.entries(headers).flatMap(([name, value = []]) => [value].flat().flatMap((one) => [name, one]))
}

/** The most spellings in the cache; others are computed each time. */
const MAX_SPELLINGS = 500

/**
 * Caches `kindOf` by the header name as it was spelled, because most messages have the same few names. `kindOf` gets the
 * name in lower case.
 */
export function bySpelling<Kind>(kindOf: (name: string) => Kind): (spelled: string) => Kind {
  const kinds = new Map<string, Kind>()
  return (spelled) => {
    const known = kinds.get(spelled)
    if (known !== undefined) return known
    const kind = kindOf(spelled.toLowerCase())
    if (kinds.size < MAX_SPELLINGS) kinds.set(spelled, kind)
    return kind
  }
}

/** The headers that name an idempotency key, in lower case. The sidecar reads both, the service the first. */
export const KEY_HEADERS = ['idempotency-key', 'x-idempotency-key'] as const

/**
 * The lines of the first of KEY_HEADERS that was sent. The v1 signature covers them. Code that reads keys from the second
 * header must refuse a request whose two headers have different keys.
 */
export function keyLines(rawHeaders: readonly string[]): readonly string[] {
  const [first, second] = KEY_HEADERS
  const values = headerValues(rawHeaders, first)
  return values.length > 0 ? values : headerValues(rawHeaders, second)
}

/** Removes surrounding spaces and tabs in linear time; a simple regular expression needs quadratic time. */
export function trimOws(value: string): string {
  let from = 0
  let to = value.length
  while (from < to && isOws(value.charCodeAt(from))) from++
  while (to > from && isOws(value.charCodeAt(to - 1))) to--
  return value.slice(from, to)
}

function isOws(code: number): boolean {
  return code === 0x20 || code === 0x09
}
