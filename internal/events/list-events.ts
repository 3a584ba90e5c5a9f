import { parseLimit } from '../core/page-limit.ts'
import { type Middleware, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import type { Database } from '../database/database.ts'
import {
  cursorOf,
  EVENT_TYPES,
  type EventType,
  eventId,
  eventJson,
  parseEventCursor,
  type ReadObjects,
} from './event.ts'
import { lastPlace, readEvents } from './event-log.ts'

/** Used as a cursor: only later events. */
const NOW = 'now'

/**
 * `GET /api/v1/events?limit=&cursor=&type=`, oldest first: `{"events":[…],"next_cursor":string|null,"has_more":boolean}`.
 * The cursor is that of the last event, also on the last page; null: there is no event yet.
 */
export function listEvents(database: Database, readObjects: ReadObjects): Middleware {
  return async function listEvents(ctx) {
    const { client } = required(ctx, 'caller', 'authentication')
    const limit = parseLimit(ctx.query.limit)
    const { cursor } = ctx.query
    const after = cursor === NOW ? await lastPlace(database, client) : parseEventCursor(client, cursor)
    const type = parseType(ctx.query.type)
    // One row more shows whether there is another page.
    const found = await readEvents(database, client, { after, type, limit: limit + 1 })
    const page = found.slice(0, limit)
    const objects = await readObjects(client, page)
    const events = page.flatMap((event) => {
      const data = objects.get(eventId(event))
      return data === undefined ? [] : [eventJson(client, event, data)]
    })
    const last = page.at(-1) ?? after
    const next = last === undefined ? 'null' : `"${cursorOf(client, last)}"`
    ctx.set('Content-Type', 'application/json; charset=utf-8')
    ctx.body = `{"events":[${events.join(',')}],"next_cursor":${next},"has_more":${found.length > limit}}`
  }
}

function parseType(value: string | string[] | undefined): EventType | undefined {
  const type = EVENT_TYPES.find((one) => one === value)
  if (value === undefined || type !== undefined) return type
  throw new ServiceError('invalid_request', `type must be one of ${EVENT_TYPES.join(', ')}.`)
}
