import { validate } from 'uuid'
import { lowestUuidV7 } from './ids.ts'
import { parseLimit } from './page-limit.ts'
import { ServiceError } from './service-error.ts'
import { parseTime, TIME_RULE } from './time.ts'

/** Below and above every id. */
const LOWEST = '00000000-0000-0000-0000-000000000000'
const HIGHEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

type Parameter = string | string[] | undefined

/** Which rows of a list are asked for; undefined members do not filter. Newest first. */
export interface ListFilter {
  limit: number
  /** The id of the last row of the page before. */
  before?: string | undefined
  /** The rows of this idempotency key. */
  key?: string | undefined
  /** At this time or later. */
  createdAfter?: Date | undefined
  /** Before this time. */
  createdBefore?: Date | undefined
}

/**
 * The ids of the rows that are asked for: from `from` on, below `below`. An id is made of the millisecond in `created_at`, and the
 * index of a list has the ids in order: by `created_at` the rows of all other times would be read, too.
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
 * `limit` (1 to 100, default 20), `cursor` (the `next_cursor` of the page before), `idempotency_key`, `created_after` and
 * `created_before` (RFC 3339). Throws `invalid_request`, which names the parameter.
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

/** The place in a list where a page begins: the id of the last row before it. Throws `invalid_request`. */
export function parseCursor(value: Parameter): string | undefined {
  if (value === undefined || (typeof value === 'string' && validate(value))) return value
  throw new ServiceError('invalid_request', 'cursor must be the next_cursor of an earlier page.')
}

/** What a key may have, whether it came in a header or in a body. */
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
