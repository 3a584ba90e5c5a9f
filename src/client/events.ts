import { type Listing, listing, type Page, type PageOptions, pageOf } from './pages.ts'
import { hasStrings, isObject } from './read-response.ts'
import type { SendRequest } from './request.ts'
import { type About, read, withQuery } from './result.ts'

/** A change of an order or a payment. New types may be added. */
export interface Event {
  /** The id of the event, the same in every list and delivery. Use it to process each event once. */
  id: string
  /** `order.created`, `payment.completed`, `payment.declined`, `payment.unknown`. */
  type: string
  client: string
  /** The time of the change, RFC 3339, UTC. */
  timestamp: string
  /** `{order}` or `{payment}`, as in `orders.get` and `payments.get`. */
  data: Readonly<Record<string, unknown>>
}

export interface EventPage extends About, Page {
  events: Event[]
  /** Whether there is another page now. The last page has a `nextCursor` too, for later events. */
  hasMore: boolean
}

export interface EventOptions extends PageOptions {
  /** Only events of this type. */
  type?: string | undefined
}

/**
 * All own events until now, oldest first; each page is requested when it is needed. Use `pages()` to store `nextCursor`
 * and to continue from it later.
 */
export type EventList = Listing<Event, EventPage>

export interface Events {
  page(options?: EventOptions): Promise<EventPage>
  /** `for await (const event of client.events.list({ cursor }))`. The deadline applies to each page. */
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
  return isObject(value) && isObject(value.data) && hasStrings(value, 'id', 'type', 'client', 'timestamp')
}
