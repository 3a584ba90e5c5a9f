import { ServiceError } from './service-error.ts'

export const DEFAULT_LIMIT = 20
export const MAX_LIMIT = 100

/** The page size from the query: 1 to 100, default 20. Throws `invalid_request`. */
export function parseLimit(value: string | string[] | undefined): number {
  if (value === undefined) return DEFAULT_LIMIT
  const limit = typeof value === 'string' && /^[1-9]\d{0,3}$/.test(value) ? Number(value) : 0
  if (limit >= 1 && limit <= MAX_LIMIT) return limit
  throw new ServiceError('invalid_request', `limit must be a whole number from 1 to ${MAX_LIMIT}.`)
}

/**
 * The JSON of a page, newest first: `{"<name>":[…],"next_cursor":string|null}`. `found` has one row more than `limit` if
 * there is another page.
 */
export function pageJson<T>(
  name: string,
  found: readonly T[],
  { limit, write, cursorOf }: { limit: number; write: (row: T) => string; cursorOf: (row: T) => string },
): string {
  const page = found.slice(0, limit)
  const last = page.at(-1)
  const next = found.length > limit && last !== undefined ? JSON.stringify(cursorOf(last)) : 'null'
  return `{"${name}":[${page.map(write).join(',')}],"next_cursor":${next}}`
}
