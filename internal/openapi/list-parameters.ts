import { DEFAULT_LIMIT, MAX_LIMIT } from '../core/page-limit.ts'
import type { Operation } from './describe.ts'

/** The query parameters of a list that `parseListFilter` reads. `what`: a plural, such as `orders`. */
export function listParameters(what: string, id: string): NonNullable<Operation['parameters']> {
  return {
    limit: {
      in: 'query',
      name: 'limit',
      description: `How many ${what} a page has at most.`,
      schema: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
      examples: { two: 2, most: MAX_LIMIT },
    },
    cursor: {
      in: 'query',
      name: 'cursor',
      description: 'The `next_cursor` of the page before; the first page without it.',
      schema: { type: 'string', format: 'uuid' },
      examples: { next: id },
    },
    idempotency_key: {
      in: 'query',
      name: 'idempotency_key',
      description: `The ${what} of this key, without the quotes of the header: tells whether a request whose response was lost took effect.`,
      schema: { type: 'string', minLength: 1, maxLength: 255 },
      examples: { one: '0b9d3a52-5f0c-4f39-9a57-3f2d3a1b6c48' },
    },
    created_after: {
      in: 'query',
      name: 'created_after',
      description: 'Created at this time or later (RFC 3339).',
      schema: { type: 'string', format: 'date-time' },
      examples: { year: '2026-01-01T00:00:00Z' },
    },
    created_before: {
      in: 'query',
      name: 'created_before',
      description: 'Created before this time (RFC 3339).',
      schema: { type: 'string', format: 'date-time' },
      examples: { year: '2027-01-01T00:00:00Z' },
    },
  }
}
