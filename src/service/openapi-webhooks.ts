import { z } from 'zod'
import { webhookEndpoint } from '../../internal/events/endpoints-openapi.ts'
import { EVENT_TYPES, type EventType } from '../../internal/events/event.ts'
import { CREATED_EVENT, event, eventsApi } from '../../internal/events/openapi.ts'
import type { Parameter, WebhookApi } from '../../internal/openapi/describe.ts'
import { order } from '../../internal/orders/openapi.ts'
import { payment } from '../../internal/payments/openapi.ts'

/** The webhooks of the service, by type of event. */

const HEADERS: Readonly<Record<string, Parameter>> = {
  WebhookId: {
    in: 'header',
    name: 'webhook-id',
    required: true,
    description: 'The `id` of the event, the same at each attempt: do each once.',
    schema: { type: 'string' },
    examples: { id: CREATED_EVENT.id },
  },
  WebhookTimestamp: {
    in: 'header',
    name: 'webhook-timestamp',
    required: true,
    description: 'Unix seconds of this attempt. Refuse what is older or newer than five minutes.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
    examples: { time: '1767225600' },
  },
  WebhookSignature: {
    in: 'header',
    name: 'webhook-signature',
    required: true,
    description:
      'HMAC-SHA256 in base64 over `webhook-id.webhook-timestamp.body`, under the bytes behind `whsec_` of the secret; several with spaces between them while the secret rotates: one that matches is enough.',
    schema: { type: 'string', pattern: '^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)*$' },
    examples: { one: 'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=' },
  },
}

const thin = z
  .object({ object_id: z.uuid() })
  .meta({ description: 'In place of an object that makes the event longer than 20 KB: read it by its id' })

const withData = (type: EventType, data: z.ZodType) =>
  event.extend({ type: z.literal(type), data: z.union([data, thin]) })

interface Described {
  schema: string
  summary: string
  event: z.ZodType
  example: unknown
}

const PAYMENT = {
  transaction_id: '019b76da-a800-7c3e-8f6e-5d1d2b0a9c11',
  status: 'completed',
  amount: 19.9,
  currency: 'EUR',
  payment_method: '****4242',
  created_at: '2026-01-01T00:00:00.000Z',
}
const ENDPOINT = {
  id: '019b76da-a800-7c3e-8f6e-5d1d2b0a9c12',
  url: 'https://partner.example/hooks',
  events: [...EVENT_TYPES],
  status: 'disabled',
  disabled_reason: 'gone',
  failing_since: '2026-01-01T00:00:00.000Z',
  created_at: '2025-12-01T00:00:00.000Z',
}

function paymentEvent(
  state: 'completed' | 'declined' | 'unknown',
  schema: string,
  summary: string,
): Described {
  const type = `payment.${state}` as const
  const data = { payment: { ...PAYMENT, status: state } }
  const example = { ...CREATED_EVENT, id: `evt_019b76daa8007c3e8f6e5d1d2b0a9c11_${state}`, type, data }
  return { schema, summary, event: withData(type, z.looseObject({ payment })), example }
}

const EVENTS: Readonly<Record<EventType, Described>> = {
  'order.created': {
    schema: 'OrderCreatedEvent',
    summary: 'An order was placed',
    event: withData('order.created', z.looseObject({ order })),
    example: CREATED_EVENT,
  },
  'payment.completed': paymentEvent('completed', 'PaymentCompletedEvent', 'A payment was charged'),
  'payment.declined': paymentEvent('declined', 'PaymentDeclinedEvent', 'A payment was declined'),
  'payment.unknown': paymentEvent(
    'unknown',
    'PaymentUnknownEvent',
    'The gateway has not said for a day what became of a payment',
  ),
  'webhook_endpoint.disabled': {
    schema: 'WebhookEndpointDisabledEvent',
    summary: 'Another endpoint of yours was disabled',
    event: withData(
      'webhook_endpoint.disabled',
      z.looseObject({ webhook_endpoint: z.union([webhookEndpoint, z.object({ id: z.uuid() })]) }),
    ),
    example: {
      ...CREATED_EVENT,
      id: 'evt_3a0c2d6e5b1f4a7c8d9e0f1a2b3c4d5e_disabled',
      type: 'webhook_endpoint.disabled',
      data: { webhook_endpoint: ENDPOINT },
    },
  },
}

const DESCRIPTION = `Sent as [Standard Webhooks](https://www.standardwebhooks.com), at least once, to each endpoint of yours that takes this type. Verify the bytes of the body as they came, respond 2xx within 15 s and work later. Later versions may add members.`

export function describeWebhooks(): WebhookApi[] {
  return EVENT_TYPES.map((type) => {
    const { schema, summary, event: schemaOf, example } = EVENTS[type]
    return {
      name: type,
      id: `on${schema.replace(/Event$/, '')}`,
      room: eventsApi,
      summary,
      description: DESCRIPTION,
      parameters: HEADERS,
      schemas: { [schema]: schemaOf, ThinEventData: thin },
      body: {
        description: 'The event; the same bytes at each attempt.',
        schema,
        examples: { event: { summary, value: example } },
      },
      responses: {
        '2XX': 'The event is delivered. The body is not used.',
        '410': 'You want no more events: the endpoint is disabled.',
        default:
          'Anything else, a redirect too, is a failed attempt: it is sent again over three days, not before what `Retry-After` asks for.',
      },
    }
  })
}
