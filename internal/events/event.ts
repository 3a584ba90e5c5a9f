import { createHash } from 'node:crypto'
import { validate } from 'uuid'
import { quoted } from '../core/quoted.ts'
import { ServiceError } from '../core/service-error.ts'
import { isoTime } from '../core/time.ts'

export const EVENT_TYPES = [
  'order.created',
  'payment.completed',
  'payment.declined',
  'payment.unknown',
  'webhook_endpoint.disabled',
] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** The position of an event among those of its client; unique. */
export interface EventPlace {
  /** Grows with every transaction; a decimal text. */
  position: string
  /** The id of the order or the payment; random for an event about an endpoint. */
  object: string
}

/** An event without the order or the payment itself. */
export interface Event extends EventPlace {
  type: EventType
  at: Date
}

/**
 * The objects of events as JSON, by event id: `{"order":{…}}`, `{"payment":{…}}` or `{"webhook_endpoint":{…}}`, as in their GET
 * routes. An event whose order or payment was deleted has none: it is not shown and not sent.
 */
export type ReadObjects = (client: string, events: readonly Event[]) => Promise<ReadonlyMap<string, string>>

/** Unique and stable, since each object has at most one event of a type. */
export function eventId({ object, type }: EventName): string {
  return `evt_${object.replaceAll('-', '')}_${type.slice(type.indexOf('.') + 1)}`
}

export type EventName = Pick<Event, 'object' | 'type'>

const EVENT_ID = /^evt_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([a-z]{1,32})$/

/** The reverse of `eventId`; undefined: not an event id. */
export function parseEventId(text: string): EventName | undefined {
  const [, ...parts] = EVENT_ID.exec(text) ?? []
  const suffix = parts.pop()
  const object = parts.join('-')
  const type = EVENT_TYPES.find((one) => one.slice(one.indexOf('.') + 1) === suffix)
  return type !== undefined && validate(object) ? { object, type } : undefined
}

/** The event as clients see it, with the same bytes in lists and webhooks. */
export function eventJson(client: string, event: Event, data: string): string {
  return (
    `{"id":"${eventId(event)}","type":"${event.type}","client":${quoted(client)},` +
    `"timestamp":"${isoTime(event.at.getTime())}","data":${data}}`
  )
}

/** A place as an opaque cursor of this client; cursors of other clients are refused. */
export function cursorOf(client: string, { position, object }: EventPlace): string {
  return `${position}_${object.replaceAll('-', '')}_${check(client, position, object)}`
}

const CURSOR =
  /^([1-9]\d{0,17})_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([0-9a-f]{8})$/

/** undefined: there is no cursor. Throws `invalid_request`. */
export function parseEventCursor(
  client: string,
  value: string | string[] | undefined,
): EventPlace | undefined {
  if (value === undefined) return undefined
  const [, position = '', ...parts] = (typeof value === 'string' ? CURSOR.exec(value) : null) ?? []
  const checked = parts.pop()
  const object = parts.join('-')
  if (validate(object) && checked === check(client, position, object)) return { position, object }
  throw new ServiceError('invalid_request', 'cursor must be the next_cursor of an earlier page of yours.')
}

/** Binds a cursor to its client. Not secret: a client reads its own events only, whatever the cursor. */
function check(client: string, position: string, object: string): string {
  return createHash('sha256').update(`${client}\n${position}\n${object}`).digest('hex').slice(0, 8)
}
