import { validate } from 'uuid'
import { z } from 'zod'
import { requestJson, respondJson } from '../core/json-content.ts'
import { parseBody, validationFailed } from '../core/parse-body.ts'
import { type Middleware, type MiddlewareContext, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import type { Database } from '../database/database.ts'
import { type EndpointRules, endpointUrlFault, MAX_URL } from './endpoint-url.ts'
import {
  addEndpoint,
  endpointObject,
  findEndpoint,
  listEndpoints,
  MAX_ENDPOINTS,
  removeEndpoint,
  rotateEndpoint,
} from './endpoints.ts'
import { EVENT_TYPES } from './event.ts'
import type { Sealing } from './webhook-secret.ts'

export interface EndpointRoutes extends EndpointRules {
  database: Database
  sealing: Sealing
  /** Unix milliseconds. */
  now: () => number
}

export const endpointRequest = z.strictObject(
  {
    url: z
      .string('must be a string')
      .meta({ format: 'uri', maxLength: MAX_URL, description: 'https; http too in demo mode' }),
    events: z
      .array(z.enum(EVENT_TYPES, `must be one of ${EVENT_TYPES.join(', ')}`), 'must be an array')
      .min(1, 'must name at least one type')
      .max(EVENT_TYPES.length, 'must name each type once')
      .optional()
      .meta({ description: 'The types that are sent; all without it' }),
  },
  'must be an object',
)

/** A week: a leaked secret must end. */
export const MAX_OVERLAP_S = 604_800
const DEFAULT_OVERLAP_S = 86_400

export const rotateRequest = z.strictObject(
  {
    overlap_seconds: z
      .int('must be a whole number')
      .min(0, 'must be at least 0')
      .max(MAX_OVERLAP_S, `must be at most ${MAX_OVERLAP_S}`)
      .optional()
      .meta({
        description: `How long the old secret signs beside the new one; default ${DEFAULT_OVERLAP_S}`,
      }),
  },
  'must be an object',
)

/**
 * The routes of `/api/v1/webhook-endpoints`, by their operations. Adding and rotating respond with the secret, which is never
 * shown again; after a rotation the old secret signs too for `overlap_seconds`. Removing responds with the endpoint as it was.
 */
export function endpointRoutes({ database, sealing, now, allowLocal }: EndpointRoutes) {
  return {
    async addWebhookEndpoint(ctx) {
      const { client } = required(ctx, 'caller', 'authentication')
      const { url, events } = parseBody(endpointRequest, requestJson(ctx), 'endpoint')
      const fault = endpointUrlFault(url, { allowLocal })
      if (fault !== undefined) throw validationFailed([{ pointer: '/url', detail: fault }], 'endpoint')
      requireSealing(sealing)
      const added = await addEndpoint(database, sealing, { client, url, types: events }, now())
      if (added.outcome === 'full') {
        const detail = `there are ${MAX_ENDPOINTS} endpoints, the most there can be`
        throw validationFailed([{ pointer: '', detail }], 'endpoint')
      }
      if (added.outcome === 'exists') {
        const detail =
          'is that of another endpoint of yours; if its secret is lost, rotate it or remove the endpoint'
        throw validationFailed([{ pointer: '/url', detail }], 'endpoint')
      }
      ctx.status = 201
      ctx.set('Location', `/api/v1/webhook-endpoints/${added.endpoint.id}`)
      respondJson(ctx, { webhook_endpoint: { ...endpointObject(added.endpoint), secret: added.secret } })
    },
    async listWebhookEndpoints(ctx) {
      const { client } = required(ctx, 'caller', 'authentication')
      respondJson(ctx, { webhook_endpoints: (await listEndpoints(database, client)).map(endpointObject) })
    },
    async getWebhookEndpoint(ctx) {
      respondJson(ctx, { webhook_endpoint: endpointObject(await ownEndpoint(ctx, database)) })
    },
    async removeWebhookEndpoint(ctx) {
      const endpoint = await ownEndpoint(ctx, database)
      if (!(await removeEndpoint(database, endpoint.client, endpoint.id))) throw notFound()
      respondJson(ctx, { webhook_endpoint: endpointObject(endpoint) })
    },
    async rotateWebhookEndpoint(ctx) {
      const body = parseBody(rotateRequest, requestJson(ctx), 'rotation')
      requireSealing(sealing)
      const endpoint = await ownEndpoint(ctx, database)
      const overlapMs = (body.overlap_seconds ?? DEFAULT_OVERLAP_S) * 1_000
      const secret = await rotateEndpoint(database, sealing, { ...endpoint, overlapMs })
      if (secret === undefined) throw notFound()
      respondJson(ctx, { webhook_endpoint: { ...endpointObject(endpoint), secret } })
    },
  } satisfies Readonly<Record<string, Middleware>>
}

async function ownEndpoint(ctx: MiddlewareContext, database: Database) {
  const { client } = required(ctx, 'caller', 'authentication')
  const id = ctx.path.split('/')[4] ?? ''
  const endpoint = validate(id) ? await findEndpoint(database, client, id) : undefined
  if (endpoint === undefined) throw notFound()
  return endpoint
}

function requireSealing({ keyId }: Sealing): void {
  if (keyId !== undefined) return
  throw new ServiceError('not_found', 'This service sends no webhooks: its operator has not set SECRETS_KEY.')
}

function notFound(): ServiceError {
  return new ServiceError('not_found', 'There is no webhook endpoint with this id among yours.')
}
