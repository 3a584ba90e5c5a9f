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
