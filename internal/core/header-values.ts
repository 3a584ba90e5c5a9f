import type { IncomingMessage } from 'node:http'

/** The value of each line of a header, in order; `name` in lower case. Elsewhere Node joins repeated lines. */
export function headerValues(rawHeaders: readonly string[], name: string): readonly string[] {
  let values: string[] | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const candidate = rawHeaders[i]
    if (candidate?.length !== name.length || candidate.toLowerCase() !== name) continue
    const value = rawHeaders[i + 1] ?? ''
    // Nearly always there is one value, or none; a list that has grown has room for many more.
    if (values === undefined) values = [value]
    else values.push(value)
  }
  return values ?? NONE
}

const NONE: readonly string[] = Object.freeze([])

/**
 * The header lines as they came, name and value by turns. A request without a connection, as serverless-http makes it of an
 * event of a cloud, has none: they are put together from its headers.
 */
export function headerLines({ rawHeaders, headers }: IncomingMessage): readonly string[] {
  if (rawHeaders.length > 0) return rawHeaders
  return Object.entries(headers).flatMap(([name, value = []]) => [value].flat().flatMap((one) => [name, one]))
}

/** Spellings that are remembered: what peers think up beyond these is looked at each time. */
const MAX_SPELLINGS = 500

/**
 * What a header is, asked by its name as it was spelled: a few names come with every message, and `kindOf`, which gets
 * them in lower case, is called once for each.
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
 * The lines that name the idempotency key: those of the first of these headers that was sent. The v1 signature covers
 * them. Whatever reads keys from the second header must refuse another key in it than in the first.
 */
export function keyLines(rawHeaders: readonly string[]): readonly string[] {
  const [first, second] = KEY_HEADERS
  const values = headerValues(rawHeaders, first)
  return values.length > 0 ? values : headerValues(rawHeaders, second)
}

/** Without the spaces and tabs around it. In linear time: the obvious regular expression needs quadratic time. */
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
