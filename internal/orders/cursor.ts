import { validate } from 'uuid'
import { ServiceError } from '../service-error.ts'

/** The place in a list where a page begins: the id of the last order before it. Throws `invalid_request`. */
export function parseCursor(value: string | string[] | undefined): string | undefined {
  if (value === undefined || (typeof value === 'string' && validate(value))) return value
  throw new ServiceError('invalid_request', 'cursor must be the next_cursor of an earlier page.')
}
