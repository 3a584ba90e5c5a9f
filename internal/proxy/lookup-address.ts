import { randomHex } from '../core/ids.ts'

/** In a path these change the address for a server that decodes them: `..%2Fhealth` is `/health` to nginx. */
const SEPARATORS = /[/\\%?#;]/

/** The address of a lookup; `{key}` stands for the key. undefined: the key would change the address. Throws a plain Error. */
export function lookupAddress(template: string): (key: string) => string | undefined {
  // Stands for the key: a URL does not change it, and no template contains it.
  const mark = `key-${randomHex(8)}`
  const text = template.replaceAll('{key}', mark)
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) throw new Error('must be an http URL')
  const { href, pathname, search, hash } = new URL(text)
  if (hash !== '' || text.includes('#')) throw new Error('must have no fragment: it is never sent')
  const marks = (part: string) => part.split(mark).length
  if (marks(pathname + search) !== marks(text))
    throw new Error('{key} must stand in the path or in the query')
  const inPath = marks(pathname) > 1
  return (key) => {
    if (inPath && SEPARATORS.test(key)) return undefined
    // Encoded as in a query.
    const encoded = encodeURIComponent(key).replaceAll("'", '%27')
    const address = href.replaceAll(mark, () => encoded)
    // A URL removes `.` and `..` from a path.
    return new URL(address).href === address ? address : undefined
  }
}
