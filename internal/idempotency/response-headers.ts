import type { StoredResponse } from './store.ts'

/** The headers of a stored response: a JSON object of strings and lists of them, as our own `complete` wrote it. */
export function parseHeaders(json: string): StoredResponse['headers'] {
  const parsed: unknown = JSON.parse(json)
  if (typeof parsed !== 'object' || parsed === null)
    throw new Error('the headers of a stored response are no object')
  return Object.fromEntries(
    Object.entries(parsed).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(String) : String(value),
    ]),
  )
}
