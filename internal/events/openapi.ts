import { z } from 'zod'
import type { Operation, RoomApi } from '../openapi/describe.ts'
import { jsonContent, limitParameter } from '../openapi/parts.ts'
import { EVENT_TYPES } from './event.ts'

export const event = z
  .looseObject({
    id: z
      .string()
      .regex(/^evt_[0-9a-f]{32}_[a-z]+$/)
      .meta({ description: 'The same wherever and however often the event is shown' }),
    type: z.enum(EVENT_TYPES),
    client: z.string(),
    timestamp: z.iso.datetime().meta({ description: 'When it happened' }),
    data: z.looseObject({}).meta({
      description:
        'The order or the payment as its GET route has it; a payment has the state that the event is about.',
    }),
  })
  .meta({ description: 'New members and types may come.' })

export const eventsApi: RoomApi = {
  tag: {
    name: 'Events',
    description: 'What happened to your orders and payments. A client sees its own events only.',
  },
  schemas: {
    Event: event,
    EventPage: z.object({
      events: z.array(event),
      next_cursor: z
        .string()
        .nullable()
        .meta({ description: 'Of the last event read, also on the last page; null: there was no event yet' }),
      has_more: z.boolean().meta({ description: 'There is another page now' }),
    }),
  },
}

const CURSOR = '52731_019b76daa8007c3e8f6e5d1d2b0a9c11_76baa697'
export const CREATED_EVENT = {
  id: 'evt_019b76daa8007c3e8f6e5d1d2b0a9c11_created',
  type: 'order.created',
  client: 'default',
  timestamp: '2026-01-01T00:00:00.000Z',
  data: {
    order: {
      id: '019b76da-a800-7c3e-8f6e-5d1d2b0a9c11',
      user_id: 'user-1',
      item: 'book',
      amount: 500,
      idempotency_key: '0b9d3a52-5f0c-4f39-9a57-3f2d3a1b6c48',
      created_at: '2026-01-01T00:00:00.000Z',
    },
  },
}

export const listEventsOperation: Operation = {
  summary: 'Your events, oldest first',
  description: `Each event is written in the transaction of what it reports: \`order.created\`, \`payment.completed\`, \`payment.declined\`, \`payment.unknown\` (the gateway has not said for a day; \`payment.completed\` or \`payment.declined\` may follow).

Keep \`next_cursor\` and ask with it again later: what happened since follows, and nothing is missed, also not what was committed late.`,
  parameters: {
    limit: limitParameter('events'),
    cursor: {
      in: 'query',
      name: 'cursor',
      description:
        'The `next_cursor` of an earlier page, or `now` for what happens later; without it the first event comes first.',
      schema: { type: 'string' },
      examples: { next: CURSOR, now: 'now' },
    },
    type: {
      in: 'query',
      name: 'type',
      description: 'Only events of this type.',
      schema: { type: 'string', enum: EVENT_TYPES },
      examples: { completed: 'payment.completed' },
    },
  },
  responses: {
    200: {
      description: 'A page.',
      content: jsonContent('EventPage', {
        more: {
          summary: 'There are more',
          value: { events: [CREATED_EVENT], next_cursor: CURSOR, has_more: true },
        },
        none: { summary: 'No events yet', value: { events: [], next_cursor: null, has_more: false } },
      }),
    },
  },
  problems: ['invalid_request', 'store_unavailable'],
}
