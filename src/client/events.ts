import { type Listing, listing, type Page, type PageOptions, pageOf } from './pages.ts'
import { hasTexts, isObject } from './read-response.ts'
import type { SendRequest } from './request.ts'
import { type About, read, withQuery } from './result.ts'

/** What happened to an order or a payment. Types may be added. */
export interface Event {
  /** The same wherever and however often the event is shown: do each only once. */
  id: string
  /** `order.created`, `payment.completed`, `payment.declined`, `payment.unknown`. */
  type: string
  client: string
  /** RFC 3339, UTC: when it happened. */
  timestamp: string
  /** `{order}` or `{payment}`, as `orders.get` and `payments.get` have it. */
  data: Readonly<Record<string, unknown>>
}

export interface EventPage extends About, Page {
  events: Event[]
  /** There is another page now. `nextCursor` is set on the last page too: later events follow it. */
  hasMore: boolean
}

export interface EventOptions extends PageOptions {
  /** Events of this type only. */
  type?: string | undefined
}

/**
 * All own events until now, oldest first, read page by page as they are asked for. With `pages()` one keeps `nextCursor`,
 * with which the next reading begins.
 */
export type EventList = Listing<Event, EventPage>

export interface Events {
  page(options?: EventOptions): Promise<EventPage>
  /** `for await (const event of client.events.list({ cursor }))`. The deadline is for each page. */
  list(options?: EventOptions): EventList
}

export function createEvents(request: SendRequest): Events {
  const page = async (options: EventOptions = {}): Promise<EventPage> => {
    const { type, limit, cursor } = options
    const path = withQuery('api/v1/events', { type, limit, cursor })
    return read(request, path, options, eventsOf)
  }
  return {
    page,
    list: (options = {}) =>
      listing(
        page,
        ({ events }) => events,
        options,
        ({ hasMore }) => !hasMore,
      ),
  }
}

function eventsOf(value: unknown): Omit<EventPage, keyof About> | undefined {
  const page = pageOf(value, 'events', isEvent)
  if (page === undefined || !isObject(value) || typeof value.has_more !== 'boolean') return undefined
  return { events: page.items, nextCursor: page.nextCursor, hasMore: value.has_more }
}

export function isEvent(value: unknown): value is Event {
  return isObject(value) && isObject(value.data) && hasTexts(value, 'id', 'type', 'client', 'timestamp')
}
