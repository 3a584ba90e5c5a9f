import { createHash } from 'node:crypto'
import { validate } from 'uuid'
import { ServiceError } from '../core/service-error.ts'

export const EVENT_TYPES = [
  'order.created',
  'payment.completed',
  'payment.declined',
  'payment.unknown',
  'webhook_endpoint.disabled',
] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** Where an event stands among those of its client: no other event has the same. */
export interface EventPlace {
  /** Grows with every transaction; a decimal text. */
  position: string
  /** The order or the payment; random for what is about an endpoint. */
  object: string
}

/** What happened, without the order or the payment itself. */
export interface Event extends EventPlace {
  type: EventType
  at: Date
}

/** The JSON of what events are about, by the id of the event: `{"order":{…}}`, `{"payment":{…}}` or
 * `{"webhook_endpoint":{…}}`, as its GET route has it. */
export type ReadObjects = (client: string, events: readonly Event[]) => Promise<ReadonlyMap<string, string>>

/** The same for the same event, always: each object has at most one event of a type. */
export function eventId({ object, type }: EventName): string {
  return `evt_${object.replaceAll('-', '')}_${type.slice(type.indexOf('.') + 1)}`
}

/** What the id of an event is made of. */
export type EventName = Pick<Event, 'object' | 'type'>

const EVENT_ID = /^evt_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([a-z]{1,32})$/

/** The reverse of `eventId`; undefined: it is none. */
export function parseEventId(text: string): EventName | undefined {
  const [, ...parts] = EVENT_ID.exec(text) ?? []
  const suffix = parts.pop()
  const object = parts.join('-')
  const type = EVENT_TYPES.find((one) => one.slice(one.indexOf('.') + 1) === suffix)
  return type !== undefined && validate(object) ? { object, type } : undefined
}

/** The event as partners see it, the same bytes wherever it is shown. */
export function eventJson(client: string, event: Event, data: string): string {
  const text = JSON.stringify
  return (
    `{"id":${text(eventId(event))},"type":${text(event.type)},"client":${text(client)},` +
    `"timestamp":${text(event.at.toISOString())},"data":${data}}`
  )
}

/** A place as a cursor of this client. It is opaque to the client, and another client's is refused. */
export function cursorOf(client: string, { position, object }: EventPlace): string {
  return `${position}_${object.replaceAll('-', '')}_${check(client, position, object)}`
}

const CURSOR =
  /^([1-9]\d{0,17})_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([0-9a-f]{8})$/

/** undefined: from the first event on. Throws `invalid_request`. */
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

/** Tells cursors of different clients apart. It keeps no secret: a client sees its own events only, whatever the cursor. */
function check(client: string, position: string, object: string): string {
  return createHash('sha256').update(`${client}\n${position}\n${object}`).digest('hex').slice(0, 8)
}
