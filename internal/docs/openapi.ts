import { z } from 'zod'
import { PROBLEM_TEXTS } from '../core/problem-texts.ts'
import { PROBLEMS } from '../core/service-error.ts'
import type { Operation, RoomApi } from '../openapi/describe.ts'
import { jsonContent } from '../openapi/parts.ts'
import { PROBLEM_CODES } from '../openapi/problem-responses.ts'

const entry = z.object({
  code: z.enum(PROBLEM_CODES),
  status: z.int().min(400).max(599),
  title: z.string(),
  retryable: z.boolean().optional().meta({ description: 'As in the problem document' }),
  retry: z.enum(['as it is', 'corrected', 'never']).meta({
    description: 'Whether sending the request again helps: with the same key, after a correction, or not',
  }),
  meaning: z.string(),
  remedy: z.string().meta({ description: 'What to do' }),
})

export const docsApi: RoomApi = {
  tag: { name: 'Documents', description: 'What describes this API.' },
  schemas: {
    ProblemEntry: entry,
    ProblemCatalogue: z.object({ problems: z.array(entry) }),
    OpenApi: z.object({
      openapi: z.string().regex(/^3\.1\./),
      info: z.looseObject({}),
      paths: z.looseObject({}),
    }),
  },
}

const { retry, meaning, remedy } = PROBLEM_TEXTS.rate_limited
const RATE_LIMITED = { code: 'rate_limited', ...PROBLEMS.rate_limited, retry, meaning, remedy }

const html = (title: string) => ({
  'text/html': {
    examples: { page: { summary: 'A page', value: `<!doctype html>\n<title>${title}</title>\n` } },
  },
})

export const problemsOperation: Operation = {
  summary: 'The error catalogue',
  description: 'HTML for who prefers it in `Accept`, otherwise JSON.',
  responses: {
    200: {
      description: 'Every code that a problem document can have.',
      content: {
        'application/json': {
          schema: 'ProblemCatalogue',
          examples: { some: { summary: 'One of them', value: { problems: [RATE_LIMITED] } } },
        },
        ...html('Errors · oncekey'),
      },
    },
  },
  problems: [],
}

export const problemOperation: Operation = {
  summary: 'One kind of error',
  description: 'What the `type` of a problem document points to. HTML for who prefers it in `Accept`.',
  parameters: {
    code: {
      in: 'path',
      name: 'code',
      required: true,
      description: 'The `code` of a problem document.',
      schema: { type: 'string', enum: PROBLEM_CODES },
      examples: { rate_limited: 'rate_limited' },
    },
  },
  responses: {
    200: {
      description: 'What it means and what to do.',
      content: {
        'application/json': {
          schema: 'ProblemEntry',
          examples: { rate_limited: { summary: 'rate_limited', value: RATE_LIMITED } },
        },
        ...html('rate_limited · oncekey'),
      },
    },
  },
  problems: ['not_found'],
}

const ETAG = {
  description: 'Send it back as If-None-Match: 304 as long as nothing changed.',
  schema: { type: 'string' },
  example: '"Jb0rC2aX0hYw1mS8uQ5nLA"',
}

export const openApiOperation: Operation = {
  summary: 'This document',
  description: 'OpenAPI 3.1, made from the schemas that validate the requests.',
  responses: {
    200: {
      description: 'The document.',
      headers: { ETag: ETAG },
      content: jsonContent('OpenApi', {
        document: { summary: 'Shortened', value: { openapi: '3.1.1', info: {}, paths: {} } },
      }),
    },
  },
  problems: [],
}

export const docsOperation: Operation = {
  summary: 'A page to read and try the API on',
  description:
    'It signs in the browser: a secret that is typed in leaves it only as signatures, an API key goes to this service only.',
  responses: { 200: { description: 'The page.', headers: { ETag: ETAG }, content: html('oncekey API') } },
  problems: [],
}
