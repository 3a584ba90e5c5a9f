import { z } from 'zod'
import type { MiddlewareApi, Operation, RoomApi } from '../openapi/describe.ts'
import { jsonContent } from '../openapi/parts.ts'

/** For every route: the HTTP server, request id, problems and guard. */
export const edgeApi: MiddlewareApi = {
  problems: ['invalid_request', 'request_timeout', 'headers_too_large', 'internal_error'],
  headers: {
    'X-Request-Id': {
      description: 'The `X-Request-Id` of the request, or a new one. Quote it when you ask for help.',
      schema: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,64}$' },
      example: '3f1c1f52-6a0e-4c8e-9d5f-0c4b8f6c1a27',
    },
  },
}

/** For routes that do work: the drain and the check of Accept. */
export const workApi: MiddlewareApi = {
  problems: ['not_acceptable', 'shutting_down'],
  parameters: {
    RequestId: {
      in: 'header',
      name: 'X-Request-Id',
      description:
        'Your own id for this request; it is in the response and in our log. An invalid value is replaced.',
      schema: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,64}$' },
      examples: { uuid: '3f1c1f52-6a0e-4c8e-9d5f-0c4b8f6c1a27', own: 'batch-7.row-12' },
    },
  },
}

export const rawBodyApi: MiddlewareApi = {
  problems: ['request_timeout', 'body_too_large', 'unsupported_media_type', 'invalid_request'],
}

export const jsonBodyApi: MiddlewareApi = { problems: ['unsupported_media_type', 'invalid_json'] }

const finding = z.object({ status: z.enum(['up', 'down']), latency_ms: z.number().min(0) })

const state = z.object({
  status: z.enum(['up', 'down', 'stopping']),
  version: z.string(),
  uptime_s: z.int().min(0),
  services: z.record(z.string(), finding).meta({ description: 'By name: `database`, `redis`' }),
})

export const healthApi: RoomApi = {
  tag: { name: 'Health', description: 'For load balancers, orchestrators and monitoring.' },
  schemas: { Health: state, ServiceState: finding },
}

const up = {
  status: 'up',
  version: '0.2.0',
  uptime_s: 4242,
  services: { database: { status: 'up', latency_ms: 0.8 } },
}

export const livezOperation: Operation = {
  summary: 'Is the process alive?',
  description: 'Responds while the process runs, also if its stores do not respond.',
  responses: {
    200: {
      description: 'The process is alive.',
      content: { 'text/plain': { examples: { alive: { summary: 'Alive', value: 'ok\n' } } } },
    },
  },
  problems: [],
}

export const readyzOperation: Operation = {
  summary: 'Should it get requests?',
  description: 'Ready while every store responds; not ready after SIGTERM.',
  responses: {
    200: {
      description: 'The process is ready.',
      content: { 'text/plain': { examples: { ready: { summary: 'Ready', value: 'ready\n' } } } },
    },
  },
  problems: ['store_unavailable', 'shutting_down'],
}

export const healthOperation: Operation = {
  summary: 'The state of each store',
  description: 'The same as `/readyz`, for people and dashboards.',
  responses: {
    200: {
      description: 'Every store responds.',
      content: jsonContent('Health', { up: { summary: 'All stores respond', value: up } }),
    },
    503: {
      description: 'A store does not respond, or the service is shutting down.',
      content: jsonContent('Health', {
        down: {
          summary: 'The database does not respond',
          value: { ...up, status: 'down', services: { database: { status: 'down', latency_ms: 1000.4 } } },
        },
      }),
    },
  },
  problems: [],
}

export const metricsOperation: Operation = {
  summary: 'Metrics for Prometheus',
  description: 'Text format 0.0.4. With `METRICS_PORT` set, the metrics are on that port instead.',
  responses: {
    200: {
      description: 'One line for each series.',
      content: {
        'text/plain': {
          examples: {
            metrics: {
              summary: 'The first lines',
              value: '# TYPE idempotent_replays_total counter\nidempotent_replays_total 12\n',
            },
          },
        },
      },
    },
  },
  problems: [],
}
