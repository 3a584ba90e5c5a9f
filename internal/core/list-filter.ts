import { validate } from 'uuid'
import { lowestUuidV7 } from './ids.ts'
import { parseLimit } from './page-limit.ts'
import { ServiceError } from './service-error.ts'
import { parseTime, TIME_RULE } from './time.ts'

/** Bounds of all ids. */
const LOWEST = '00000000-0000-0000-0000-000000000000'
const HIGHEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

type Parameter = string | string[] | undefined

/** The filter of a list, which is newest first. Undefined members do not filter. */
export interface ListFilter {
  limit: number
  /** The id of the last row of the previous page. */
  before?: string | undefined
  /** Only rows of this idempotency key. */
  key?: string | undefined
  /** Only rows of this time or later. */
  createdAfter?: Date | undefined
  /** Only rows before this time. */
  createdBefore?: Date | undefined
}

/**
 * The range of ids of the filter: from `from`, below `below`. An id starts with the millisecond of `created_at`, so a range
 * of ids uses the index of the list; a condition on `created_at` would read the rows of all other times.
 */
export function idRange({ before = HIGHEST, createdAfter, createdBefore }: ListFilter): {
  from: string
  below: string
} {
  const bound = (time: Date | undefined, none: string) =>
    time === undefined ? none : lowestUuidV7(time.getTime())
  const below = bound(createdBefore, HIGHEST)
  return { from: bound(createdAfter, LOWEST), below: before < below ? before : below }
}

/**
 * Parses `limit` (1 to 100, default 20), `cursor` (the `next_cursor` of the previous page), `idempotency_key`,
 * `created_after` and `created_before` (RFC 3339). Throws `invalid_request`, which names the parameter.
 */
export function parseListFilter(query: Record<string, Parameter>): ListFilter {
  return {
    limit: parseLimit(query.limit),
    before: parseCursor(query.cursor)?.toLowerCase(),
    key: parseKey(query.idempotency_key),
    createdAfter: parseListTime('created_after', query.created_after),
    createdBefore: parseListTime('created_before', query.created_before),
  }
}

/** Parses a cursor, which is the id of the last row before the page. Throws `invalid_request`. */
export function parseCursor(value: Parameter): string | undefined {
  if (value === undefined || (typeof value === 'string' && validate(value))) return value
  throw new ServiceError('invalid_request', 'cursor must be the next_cursor of an earlier page.')
}

/** A valid idempotency key of a header or a body. */
const KEY = /^[ -~]{1,255}$/

function parseKey(value: Parameter): string | undefined {
  if (value === undefined || (typeof value === 'string' && KEY.test(value))) return value
  throw new ServiceError(
    'invalid_request',
    'idempotency_key must be one key of 1 to 255 characters of printable ASCII, without the quotes of the header.',
  )
}

function parseListTime(name: string, value: Parameter): Date | undefined {
  if (value === undefined) return undefined
  const time = typeof value === 'string' ? parseTime(value) : undefined
  if (time !== undefined) return time
  throw new ServiceError('invalid_request', `${name} must be ${TIME_RULE}.`)
}
