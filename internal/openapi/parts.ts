import { DEFAULT_LIMIT, MAX_LIMIT } from '../core/page-limit.ts'
import type { Content, Header, JsonSchema, Operation, Parameter, ResponseApi } from './describe.ts'

/*
 * What the descriptions of several rooms have in common.
 */

type Link = NonNullable<ResponseApi['links']>[string]
type ByName<T> = Readonly<Record<string, T>>

/** The content of a response that is always JSON. `schema`: the name of a schema of the room. */
export function jsonContent(schema: string, examples: Content['examples']): ResponseApi['content'] {
  return { 'application/json': { schema, examples } }
}

/** The headers of a response to a request that made something. `what`: such as `order`. */
export function locationHeader(what: string, path: string): ByName<Header> {
  return {
    Location: {
      description: `The path of the ${what}.`,
      schema: { type: 'string', format: 'uri-reference' },
      example: path,
    },
  }
}

/** The parameters of a route whose path ends with the UUID of what it is about. */
export function idParameter(name: string, what: string, example: string): ByName<Parameter> {
  return {
    [name]: {
      in: 'path',
      name,
      required: true,
      description: `The \`${name}\` of the ${what}.`,
      schema: { type: 'string', format: 'uuid' },
      examples: { id: example },
    },
  }
}

/** `what`: a plural, such as `orders`. */
export function limitParameter(what: string): Parameter {
  return {
    in: 'query',
    name: 'limit',
    description: `How many ${what} a page has at most.`,
    schema: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
    examples: { two: 2, most: MAX_LIMIT },
  }
}

/** Of a list whose last page has no cursor. */
export function cursorParameter(schema: JsonSchema, example: string): Parameter {
  return {
    in: 'query',
    name: 'cursor',
    description: 'The `next_cursor` of the page before; the first page without it.',
    schema,
    examples: { next: example },
  }
}

/** The query parameters that `parseListFilter` reads. */
export function listParameters(what: string, id: string): NonNullable<Operation['parameters']> {
  return {
    limit: limitParameter(what),
    cursor: cursorParameter({ type: 'string', format: 'uuid' }, id),
    idempotency_key: {
      in: 'query',
      name: 'idempotency_key',
      description: `The ${what} of this key, without the quotes of the header: tells whether a request whose response was lost took effect.`,
      schema: { type: 'string', minLength: 1, maxLength: 255 },
      examples: { one: '0b9d3a52-5f0c-4f39-9a57-3f2d3a1b6c48' },
    },
    created_after: timeParameter('created_after', 'Created at this time or later', '2026-01-01T00:00:00Z'),
    created_before: timeParameter('created_before', 'Created before this time', '2027-01-01T00:00:00Z'),
  }
}

function timeParameter(name: string, description: string, example: string): Parameter {
  return {
    in: 'query',
    name,
    description: `${description} (RFC 3339).`,
    schema: { type: 'string', format: 'date-time' },
    examples: { year: example },
  }
}

/** From a page of a list to the next one. */
export function nextPageLink(operationId: string): Link {
  return {
    operationId,
    description: 'The next page, unless `next_cursor` is null.',
    parameters: { cursor: '$response.body#/next_cursor' },
  }
}
