/** The value of each line of a header, in order; `name` in lower case. Elsewhere Node joins repeated lines. */
export function headerValues(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const candidate = rawHeaders[i]
    if (candidate?.length !== name.length || candidate.toLowerCase() !== name) continue
    values.push(rawHeaders[i + 1] ?? '')
  }
  return values
}
