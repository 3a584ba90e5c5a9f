import { arrayOf, isObject } from './read-response.ts'
import type { Effort } from './transport.ts'

export interface PageOptions extends Effort {
  /** Items per page: 1 to 100; the default of the service is 20. */
  limit?: number | undefined
  /** `nextCursor` of an earlier page. */
  cursor?: string | undefined
}

/** Filters of a list; without them it has all items. */
export interface ListOptions extends PageOptions {
  /** Created at this time or later: RFC 3339, or a Date. */
  createdAfter?: string | Date | undefined
  /** Created before this time. */
  createdBefore?: string | Date | undefined
}

/** The query parameters with the names of the service. */
export function listQuery({ limit, cursor, createdAfter, createdBefore }: ListOptions) {
  return { limit, cursor, created_after: timeOf(createdAfter), created_before: timeOf(createdBefore) }
}

function timeOf(value: string | Date | undefined): string | undefined {
  return value instanceof Date ? value.toISOString() : value
}

/** The idempotency key of the item to find. */
export interface FindOptions extends Effort {
  key: string
}

export interface Page {
  /** The cursor of the next page; null on the last page. */
  nextCursor: string | null
}

/** Iterates over all items, or with `pages()` over pages; each page is requested when it is needed. */
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

/** The items in the member `name` of a page, and `next_cursor`; undefined if the value is not such a page. */
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
