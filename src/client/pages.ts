import { arrayOf, isObject } from './read-response.ts'
import type { Effort } from './transport.ts'

export interface PageOptions extends Effort {
  /** How many a page has: 1 to 100; the service's default is 20. */
  limit?: number | undefined
  /** `nextCursor` of an earlier page. */
  cursor?: string | undefined
}

/** Which items a list has; all of them without it. */
export interface ListOptions extends PageOptions {
  /** Created at this time or later: RFC 3339, or a Date. */
  createdAfter?: string | Date | undefined
  /** Created before this time. */
  createdBefore?: string | Date | undefined
}

/** The parameters of the query, as the service names them. */
export function listQuery({ limit, cursor, createdAfter, createdBefore }: ListOptions) {
  return { limit, cursor, created_after: timeOf(createdAfter), created_before: timeOf(createdBefore) }
}

function timeOf(value: string | Date | undefined): string | undefined {
  return value instanceof Date ? value.toISOString() : value
}

/** Looks an item up by the idempotency key of its request. */
export interface FindOptions extends Effort {
  key: string
}

export interface Page {
  /** Where the next page begins; null: this is the last one. */
  nextCursor: string | null
}

/** Everything, read page by page as it is asked for. */
export interface Listing<T, P> extends AsyncIterable<T> {
  pages(): AsyncIterable<P>
}

export function listing<T, P extends Page, O extends PageOptions>(
  page: (options: O) => Promise<P>,
  itemsOf: (page: P) => readonly T[],
  options: O,
  isLast?: (page: P) => boolean,
): Listing<T, P> {
  async function* pages(): AsyncGenerator<P, void, undefined> {
    let { cursor } = options
    for (;;) {
      const one = await page({ ...options, cursor })
      yield one
      if (one.nextCursor === null || isLast?.(one) === true) return
      cursor = one.nextCursor
    }
  }
  async function* items(): AsyncGenerator<T, void, undefined> {
    for await (const one of pages()) yield* itemsOf(one)
  }
  return { pages, [Symbol.asyncIterator]: items }
}

/** The items in the member `name` of a page, and `next_cursor`; undefined: it is no page of such items. */
export function pageOf<T>(
  value: unknown,
  name: string,
  isItem: (item: unknown) => item is T,
): { items: T[]; nextCursor: string | null } | undefined {
  if (!isObject(value)) return undefined
  const items = arrayOf(value[name], isItem)
  const nextCursor = value.next_cursor
  if (items === undefined || (typeof nextCursor !== 'string' && nextCursor !== null)) return undefined
  return { items, nextCursor }
}
