import type { MiddlewareApi } from '../openapi/describe.ts'
import { CLIENT_ID, DEFAULT_CLIENT, MAX_SECRETS } from './client-registry.ts'
import { V0_DEPRECATED_AT } from './verify-signature.ts'

const V1 = `\`t=<Unix seconds>,v1=<64 hex digits>\`: the HMAC-SHA256, with your secret, of seven lines joined by a line feed, with none at the end:

\`\`\`text
v1
<t, as in the header>
<method>
<path and query, as sent>
<client>
<value of Idempotency-Key, as sent; empty without one>
<SHA-256 of the body in lowercase hex, also of an empty one>
\`\`\`

While secrets rotate there may be up to ${MAX_SECRETS} \`v1=\` in one header; one match is enough.`

const V0 = `64 hex digits: the HMAC-SHA256 of the body, with your secret. It covers nothing else, so it is deprecated, cannot sign a request without a body, and is refused where \`MIN_SCHEME\` or the client's \`min_scheme\` asks for more.`

const RFC9421 = `HTTP Message Signatures with HMAC-SHA256: one signature with \`alg\` absent or \`hmac-sha256\`, \`created\` and \`keyid\` (the client; \`X-Client-Id\`, if sent, must agree). It covers \`"@method" "@path"\`, \`"@query"\` if there is one, \`"content-digest"\` (RFC 9530, sha-256) if there is a body and \`"idempotency-key"\` (\`"x-idempotency-key"\`) if there is one.`

/** The signature middleware in the API description. */
export const signatureApi: MiddlewareApi = {
  problems: ['signature_missing', 'signature_invalid', 'timestamp_out_of_range', 'scheme_not_allowed'],
  parameters: {
    ClientId: {
      in: 'header',
      name: 'X-Client-Id',
      description: `The client that signs with \`X-Signature\`; \`${DEFAULT_CLIENT}\` by default. In RFC 9421, \`keyid\` is the client.`,
      // No `default` in the schema: generated clients would send it, and it would contradict another `keyid`.
      schema: { type: 'string', pattern: CLIENT_ID.source },
      examples: { default: DEFAULT_CLIENT },
    },
  },
  headers: {
    'WWW-Authenticate': {
      description: 'RFC 9110 requires it in every 401: the accepted ways to authenticate, one line each.',
      schema: { type: 'string' },
      example: 'Signature realm="oncekey"',
      on: (status) => status === 401,
    },
    Deprecation: {
      description:
        'Sent if the request was signed with v0: the time since which v0 is deprecated (RFC 9745).',
      schema: { type: 'string', pattern: '^@\\d+$' },
      example: `@${V0_DEPRECATED_AT}`,
      on: (status) => status !== 401,
    },
    'X-Secret-Expires': {
      description:
        'Sent if the request was signed with a retiring secret: the time at which the secret ends.',
      schema: { type: 'string', format: 'date-time' },
      example: '2026-01-04T00:00:00.000Z',
      on: (status) => status !== 401,
    },
  },
  securitySchemes: {
    signatureV1: { type: 'apiKey', in: 'header', name: 'X-Signature', description: V1 },
    messageSignatureInput: { type: 'apiKey', in: 'header', name: 'Signature-Input', description: RFC9421 },
    messageSignature: {
      type: 'apiKey',
      in: 'header',
      name: 'Signature',
      description: 'RFC 9421, together with `Signature-Input`.',
    },
    signatureV0: { type: 'apiKey', in: 'header', name: 'X-Signature', description: V0 },
  },
  security({ body }) {
    const always = [['signatureV1'], ['messageSignatureInput', 'messageSignature']]
    return body === undefined ? always : [...always, ['signatureV0']]
  },
}

const BEARER = `Your API key. Anybody who reads it can use it, so send it only over https. A signing client and the user of an API key who have the same name are the same caller: they share payments, keys and limits.`

/** For routes that accept an API key or a signature, but not both in one request. */
export const authenticateApi: MiddlewareApi = {
  ...signatureApi,
  problems: ['api_key_invalid', ...signatureApi.problems],
  securitySchemes: {
    apiKey: { type: 'http', scheme: 'bearer', description: BEARER },
    ...signatureApi.securitySchemes,
  },
  security: (operation) => [['apiKey'], ...(signatureApi.security?.(operation) ?? [])],
}

/** For routes where credentials are optional. Credentials that are sent must still be valid. */
export const openApi: MiddlewareApi = {
  ...authenticateApi,
  problems: authenticateApi.problems.filter((code) => code !== 'signature_missing'),
  security: (operation) => [[], ...(authenticateApi.security?.(operation) ?? [])],
}
