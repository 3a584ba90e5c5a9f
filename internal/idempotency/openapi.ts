import type { MiddlewareApi } from '../openapi/describe.ts'

/** 402, 404 and 422 are responses of the handler that are stored like a success; 409 is about the key itself. */
const isStored = (status: number) => status < 400 || status === 402 || status === 404 || status === 422

/** Is there a stored response already? */
export const idempotencyApi: MiddlewareApi = {
  problems: [
    'idempotency_key_missing',
    'idempotency_key_invalid',
    'idempotency_key_reused',
    'request_in_progress',
    'store_unavailable',
  ],
  parameters: {
    IdempotencyKey: {
      in: 'header',
      name: 'Idempotency-Key',
      required: true,
      description:
        'Your own name for this request, such as a UUID: a new one for each request, the same on every retry of it. 1 to 255 printable ASCII characters; `"abc"` in double quotes and `abc` are the same key. A bare key has no spaces, quotes, commas, semicolons or backslashes.',
      schema: { type: 'string', minLength: 1, maxLength: 512 },
      examples: { uuid: '0b9d3a52-5f0c-4f39-9a57-3f2d3a1b6c48', quoted: '"order 4711"' },
    },
  },
  headers: {
    'Idempotent-Replayed': {
      description:
        'This is the stored response to an earlier request with the key. First responses come without it.',
      schema: { type: 'string', const: 'true' },
      example: 'true',
      on: isStored,
    },
  },
}

/** The same on a route whose keys are restricted to what every payment gateway takes. */
export const strictKeyApi: MiddlewareApi = {
  ...idempotencyApi,
  parameters: {
    PaymentKey: {
      in: 'header',
      name: 'Idempotency-Key',
      required: true,
      description:
        'Your own name for this request, such as a UUID: a new one for each request, the same on every retry of it. 16 to 255 characters of `A-Z a-z 0-9 _ -`; in double quotes it is the same key.',
      schema: {
        type: 'string',
        minLength: 16,
        maxLength: 257,
        pattern: '^(?:[A-Za-z0-9_-]{16,255}|"[A-Za-z0-9_-]{16,255}")$',
      },
      examples: { uuid: '5b6a2f9e-8d0c-4a4e-9c55-1f2d3a1b6c49', quoted: '"payment-0000004711"' },
    },
  },
}

/** The same where the key is a member of the body. */
export const bodyKeyApi: MiddlewareApi = {
  problems: idempotencyApi.problems,
  headers: idempotencyApi.headers ?? {},
}
