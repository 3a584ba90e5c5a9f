import type { StageApi } from '../openapi/describe.ts'

const count = { type: 'integer', minimum: 0 }

/** May they, now. */
export const rateLimitApi: StageApi = {
  problems: ['rate_limited', 'store_unavailable'],
  headers: {
    'X-RateLimit-Limit': { description: 'Quota of the tightest limit.', schema: count, example: 10 },
    'X-RateLimit-Remaining': { description: 'What is left of it.', schema: count, example: 7 },
    'X-RateLimit-Reset': {
      description: 'When it is whole again, Unix seconds.',
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
        'Where each of them stands: what remains, and seconds until it is whole again (IETF draft).',
      schema: { type: 'string' },
      example: '"client";r=7;t=42',
    },
  },
}
