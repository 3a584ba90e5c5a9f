/** The headers of a stored answer: a JSON object of strings, as our own `complete` wrote it. */
export function parseHeaders(json: string): Record<string, string> {
  const parsed: unknown = JSON.parse(json)
  if (typeof parsed !== 'object' || parsed === null)
    throw new Error('the headers of a stored answer are no object')
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, String(value)]))
}
