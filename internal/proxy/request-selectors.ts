import type { WithHeaders } from './credentials.ts'

/**
 * Headers that make another request of the same method, target and body: a condition (RFC 9110, 13.1) decides whether
 * anything is done, and a range (14.2) which part of the response comes back.
 */
const SELECTORS = new Set([
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
])

/** Of a request, in an order of their own; '' without any, as of most requests with a key. */
export function selectorsOf({ req: { rawHeaders } }: WithHeaders): string {
  const lines: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase()
    if (SELECTORS.has(name)) lines.push(`${name}: ${rawHeaders[i + 1] ?? ''}`)
  }
  return lines.sort().join('\n')
}

/** As RFC 9110, 9.2.1, has them: they ask for no change, so that nothing is to be done once. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

export function isSafe(method: string): boolean {
  return SAFE.has(method)
}
