import { z } from 'zod'
import type { MiddlewareApi, Operation, RoomApi } from '../openapi/describe.ts'
import { jsonContent } from '../openapi/parts.ts'
import { ALGORITHMS, SCOPES } from './rate-limits.ts'

const count = { type: 'integer', minimum: 0 }

/** The rate limit middleware in the API description. */
export const rateLimitApi: MiddlewareApi = {
  problems: ['rate_limited', 'store_unavailable'],
  headers: {
    'X-RateLimit-Limit': { description: 'Quota of the tightest limit.', schema: count, example: 10 },
    'X-RateLimit-Remaining': { description: 'How many requests it still admits.', schema: count, example: 7 },
    'X-RateLimit-Reset': {
      description: 'When more requests become available, in Unix seconds.',
      schema: count,
      example: 1767225660,
    },
    'RateLimit-Policy': {
      description: 'All limits that apply: quota and window in seconds (IETF draft).',
      schema: { type: 'string' },
      example: '"client";q=10;w=60',
    },
    RateLimit: {
      description:
        'For each of them: the remaining requests, and the seconds until more become available (IETF draft).',
      schema: { type: 'string' },
      example: '"client";r=7;t=42',
    },
  },
}

const whole = z.int().min(0)

const limit = z.object({
  name: z.string(),
  scope: z.enum(SCOPES).meta({ description: 'What it counts; `endpoint`: a client on one route' }),
  algorithm: z.enum(ALGORITHMS),
  quota: whole.meta({ description: 'Requests in the window; for a token bucket the tokens added in it' }),
  window_ms: whole,
  burst: whole.optional().meta({ description: 'The capacity of a token bucket' }),
  remaining: whole,
  allowed: z.boolean().meta({ description: 'Whether it admits one more request now' }),
  reset_at: z.iso.datetime().meta({ description: 'When `remaining` grows' }),
  reset_after_ms: whole.meta({ description: 'The same as a wait in milliseconds' }),
  retry_after_ms: whole.meta({ description: 'Wait until it admits a request again; 0 if it does now' }),
})

const rateLimits = z.object({
  limits: z.array(limit).meta({ description: 'Empty if there are no limits' }),
  tightest: z.string().nullable().meta({ description: 'The `name` of the limit that refuses first' }),
})

const ms = z.number().min(0)

const retryConfig = z.object({
  max_attempts: z.int().min(1).meta({ description: 'Including the first' }),
  base_delay_ms: ms.meta({ description: 'Ceiling of the wait before the first retry' }),
  max_delay_ms: ms.meta({ description: 'Maximum of the ceiling' }),
  multiplier: z.number().min(1).meta({ description: 'Growth of the ceiling from one retry to the next' }),
  jitter: z
    .literal('full')
    .meta({ description: 'Each wait is a uniform random value from 0 to its ceiling' }),
  attempt_timeout_ms: ms.meta({ description: 'From sending to the last byte of the response' }),
  deadline_ms: ms.meta({ description: 'For all attempts and waits' }),
  honour_retry_after: z
    .boolean()
    .meta({ description: 'Wait `retry_after_ms` (or Retry-After) plus the random wait' }),
  retry_on: z.object({
    statuses: z.array(z.int()).meta({ description: 'Unless the problem says `"retryable": false`' }),
    codes: z.array(z.string()).meta({
      description: '`network_error`: the connection failed; `timeout`: no response arrived in time',
    }),
  }),
  example_delays_ms: z.array(ms).meta({ description: 'The ceiling of each wait' }),
  example_delays_with_jitter_ms: z
    .array(ms)
    .meta({ description: 'An example of the random waits of one request' }),
})

export const limitsApi: RoomApi = {
  tag: { name: 'Limits and retries', description: 'For clients that control their own rate.' },
  schemas: { RateLimits: rateLimits, RateLimit: limit, RetryConfig: retryConfig },
}

const RESET = '2026-01-01T00:01:00.000Z'
const ALL = { allowed: true, retry_after_ms: 0 }

export const rateLimitsOperation: Operation = {
  summary: 'The state of each of your limits',
  description:
    'The limits that apply to your next `POST /api/v1/payments`. This request uses no limit and is never refused by one.',
  responses: {
    200: {
      description: 'The limits, in the order of `RateLimit-Policy`.',
      headers: rateLimitApi.headers ?? {},
      content: jsonContent('RateLimits', {
        standing: {
          summary: 'A partly used window and a full token bucket',
          value: {
            limits: [
              {
                name: 'endpoint',
                scope: 'endpoint',
                algorithm: 'sliding-window',
                quota: 10,
                window_ms: 60_000,
                remaining: 7,
                ...ALL,
                reset_at: RESET,
                reset_after_ms: 42_000,
              },
              {
                name: 'client-1s',
                scope: 'client',
                algorithm: 'token-bucket',
                quota: 20,
                window_ms: 1_000,
                burst: 50,
                remaining: 50,
                ...ALL,
                reset_at: '2026-01-01T00:00:18.000Z',
                reset_after_ms: 0,
              },
            ],
            tightest: 'endpoint',
          },
        },
        unlimited: { summary: 'No limits', value: { limits: [], tightest: null } },
      }),
    },
  },
  problems: ['store_unavailable'],
}

export const retryConfigOperation: Operation = {
  summary: 'How to retry',
  description:
    'What the SDK does by itself. Retry with the same key and the same bytes; stop at a problem with `"retryable": false`.',
  responses: {
    200: {
      description: 'The same for every client, until the next version of the service.',
      headers: {
        ETag: {
          description: 'For `If-None-Match`.',
          schema: { type: 'string' },
          example: '"0YEkgSzUc8NfIJe3cvU8Ew"',
        },
      },
      content: jsonContent('RetryConfig', {
        recommended: {
          summary: 'The recommended values',
          value: {
            max_attempts: 10,
            base_delay_ms: 200,
            max_delay_ms: 10_000,
            multiplier: 2,
            jitter: 'full',
            attempt_timeout_ms: 15_000,
            deadline_ms: 60_000,
            honour_retry_after: true,
            retry_on: {
              statuses: [408, 425, 429, 500, 502, 503, 504],
              codes: ['network_error', 'timeout', 'request_in_progress', 'outcome_unknown'],
            },
            example_delays_ms: [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000],
            example_delays_with_jitter_ms: [124, 94, 683, 755, 289, 4_533, 3_262, 9_443, 5_623],
          },
        },
      }),
    },
  },
  problems: [],
}
