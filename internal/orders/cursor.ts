import { validate } from 'uuid'
import { ServiceError } from '../service-error.ts'

export const DEFAULT_LIMIT = 20
export const MAX_LIMIT = 100

type Parameter = string | string[] | undefined

/** The page size from the query. Throws `invalid_request`. */
export function parseLimit(value: Parameter): number {
  if (value === undefined) return DEFAULT_LIMIT
  const limit = typeof value === 'string' && /^[1-9]\d{0,3}$/.test(value) ? Number(value) : 0
  if (limit >= 1 && limit <= MAX_LIMIT) return limit
  throw new ServiceError('invalid_request', `limit must be a whole number from 1 to ${MAX_LIMIT}.`)
}

/** The place in a list where a page begins: the id of the last order before it. Throws `invalid_request`. */
export function parseCursor(value: Parameter): string | undefined {
  if (value === undefined || (typeof value === 'string' && validate(value))) return value
  throw new ServiceError('invalid_request', 'cursor must be the next_cursor of an earlier page.')
}
