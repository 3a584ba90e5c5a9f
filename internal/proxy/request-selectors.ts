import { bySpelling } from '../core/header-values.ts'
import { sortedLines, type WithHeaders } from './credentials.ts'

/** With these the same method, target and body are another request: conditions (RFC 9110, 13.1) and ranges (14.2). */
const SELECTORS = new Set([
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
])

/** Of a request, in an order of their own; '' without any, as of most requests with a key. */
export function selectorsOf(request: WithHeaders): string {
  return sortedLines(request, isSelector)
}

const isSelector = bySpelling((name) => SELECTORS.has(name))

/** As RFC 9110, 9.2.1, has them: they ask for no change, so that nothing is to be done once. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

export function isSafe(method: string): boolean {
  return SAFE.has(method)
}
