/** A brace, or a whole string; a member name includes its colon. */
const TOKEN = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/g

/** The JSON Pointer of the first repeated member name, which JSON.parse accepts silently. `text` must be valid JSON. */
export function repeatedMember(text: string): string | undefined {
  const objects: { names: Set<string>; current: string }[] = []
  for (const [token, colon] of text.matchAll(TOKEN)) {
    const object = objects.at(-1)
    if (token === '{') objects.push({ names: new Set(), current: '' })
    else if (token === '}') objects.pop()
    else if (colon !== undefined && object !== undefined) {
      object.current = String(JSON.parse(token.slice(0, -colon.length)))
      if (object.names.has(object.current)) return pointer(objects.map(({ current }) => current))
      object.names.add(object.current)
    }
  }
  return undefined
}

/** JSON Pointer (RFC 6901). */
export function pointer(path: readonly PropertyKey[]): string {
  return path.map((member) => `/${String(member).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
