import { z } from 'zod'
import type { Operation, RoomApi } from '../openapi/describe.ts'
import { idParameter, jsonContent, locationHeader } from '../openapi/parts.ts'
import { endpointRequest, rotateRequest } from './endpoint-routes.ts'
import { MAX_ENDPOINTS } from './endpoints.ts'
import { EVENT_TYPES } from './event.ts'

export const webhookEndpoint = z.object({
  id: z.uuid(),
  url: z.string(),
  events: z.array(z.enum(EVENT_TYPES)),
  status: z.enum(['enabled', 'disabled']),
  disabled_reason: z.enum(['gone', 'failing', 'operator']).nullable().meta({
    description: 'gone: it answered 410; failing: for five days; operator: ask the operator of the service',
  }),
  failing_since: z.iso
    .datetime()
    .nullable()
    .meta({ description: 'The first failure since the last success' }),
  created_at: z.iso.datetime(),
})
const withSecret = webhookEndpoint.extend({
  secret: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/]+=*$/)
    .meta({ description: 'Shown this once: verifies the signatures of Standard Webhooks' }),
})

export const webhooksApi: RoomApi = {
  tag: {
    name: 'Webhooks',
    description:
      'Where your events are sent, signed as [Standard Webhooks](https://www.standardwebhooks.com) says. A client sees its own endpoints only.',
  },
  schemas: {
    WebhookEndpointRequest: endpointRequest,
    WebhookRotateRequest: rotateRequest,
    WebhookEndpoint: webhookEndpoint,
    WebhookEndpointResponse: z.object({ webhook_endpoint: webhookEndpoint }),
    WebhookEndpointWithSecret: z.object({ webhook_endpoint: withSecret }),
    WebhookEndpointList: z.object({ webhook_endpoints: z.array(webhookEndpoint) }),
  },
}

const ID = '019b76da-a800-7c3e-8f6e-5d1d2b0a9c12'
const ENDPOINT = {
  id: ID,
  url: 'https://partner.example/hooks',
  events: [...EVENT_TYPES],
  status: 'enabled',
  disabled_reason: null,
  failing_since: null,
  created_at: '2026-01-01T00:00:00.000Z',
}
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo='

const parameters = idParameter('id', 'endpoint', ID)

export const addWebhookEndpointOperation: Operation = {
  summary: 'Have your events sent to a URL',
  description: `The first event is the next one. The secret is shown this once. A client has ${MAX_ENDPOINTS} endpoints at most, each with a URL of its own. Only https and public addresses are taken, which is checked at every connection; redirects are not followed. In demo mode http and this machine work too. A service without SECRETS_KEY has no webhooks: 404.`,
  body: {
    description: 'Exactly these members.',
    schema: 'WebhookEndpointRequest',
    examples: {
      added: { summary: 'All events', value: { url: 'https://partner.example/hooks' } },
    },
  },
  responses: {
    201: {
      description: 'The endpoint, with its secret.',
      headers: locationHeader('endpoint', `/api/v1/webhook-endpoints/${ID}`),
      content: jsonContent('WebhookEndpointWithSecret', {
        added: { summary: 'An endpoint', value: { webhook_endpoint: { ...ENDPOINT, secret: SECRET } } },
      }),
    },
  },
  problems: ['validation_failed', 'store_unavailable'],
}

export const listWebhookEndpointsOperation: Operation = {
  summary: 'Your webhook endpoints, oldest first',
  description: `All of them: there are ${MAX_ENDPOINTS} at most.`,
  responses: {
    200: {
      description: 'The endpoints.',
      content: jsonContent('WebhookEndpointList', {
        some: { summary: 'One endpoint', value: { webhook_endpoints: [ENDPOINT] } },
      }),
    },
  },
  problems: ['store_unavailable'],
}

const ofOne: Pick<Operation, 'parameters' | 'responses' | 'problems'> = {
  parameters,
  responses: {
    200: {
      description: 'The endpoint.',
      content: jsonContent('WebhookEndpointResponse', {
        found: { summary: 'An endpoint', value: { webhook_endpoint: ENDPOINT } },
      }),
    },
  },
  problems: ['not_found', 'store_unavailable'],
}

export const getWebhookEndpointOperation: Operation = {
  summary: 'One of your webhook endpoints',
  description: "Another client's is not found.",
  ...ofOne,
}

export const removeWebhookEndpointOperation: Operation = {
  summary: 'Remove a webhook endpoint',
  description: 'With its secrets and deliveries; what is being sent at this moment may still arrive.',
  ...ofOne,
}

export const rotateWebhookEndpointOperation: Operation = {
  summary: 'A new secret for a webhook endpoint',
  description:
    'Shown this once. The old secret signs beside it for `overlap_seconds` (a day without it), so that nothing fails while you change over. If the response was lost, rotate again.',
  parameters,
  body: {
    description: 'May be left out.',
    schema: 'WebhookRotateRequest',
    optional: true,
    examples: {
      rotated: { summary: 'An hour', value: { overlap_seconds: 3600 } },
    },
  },
  responses: {
    200: {
      description: 'The endpoint, with its new secret.',
      content: jsonContent('WebhookEndpointWithSecret', {
        rotated: { summary: 'An endpoint', value: { webhook_endpoint: { ...ENDPOINT, secret: SECRET } } },
      }),
    },
  },
  problems: ['validation_failed', 'not_found', 'store_unavailable'],
}
