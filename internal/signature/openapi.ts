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

/** Who is calling. */
export const signatureApi: MiddlewareApi = {
  problems: ['signature_missing', 'signature_invalid', 'timestamp_out_of_range', 'scheme_not_allowed'],
  parameters: {
    ClientId: {
      in: 'header',
      name: 'X-Client-Id',
      description: `Who signs with \`X-Signature\`; \`${DEFAULT_CLIENT}\` if it is left out. In RFC 9421 \`keyid\` says it.`,
      // Without `default`: generated clients send that, and then it contradicts another `keyid`.
      schema: { type: 'string', pattern: CLIENT_ID.source },
      examples: { default: DEFAULT_CLIENT },
    },
  },
  headers: {
    'WWW-Authenticate': {
      description: 'What RFC 9110 asks for with every 401: how to say who is calling, a line for each way.',
      schema: { type: 'string' },
      example: 'Signature realm="oncekey"',
      on: (status) => status === 401,
    },
    Deprecation: {
      description: 'The request was signed with v0. Since when that is deprecated (RFC 9745).',
      schema: { type: 'string', pattern: '^@\\d+$' },
      example: `@${V0_DEPRECATED_AT}`,
      on: (status) => status !== 401,
    },
    'X-Secret-Expires': {
      description: 'The request was signed with a secret that is being retired: from then on it is void.',
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

const BEARER = `Your API key. Whoever reads it can use it, so send it over https only. A signing client and the user of an API key who have the same name are the same caller: they share payments, keys and limits.`

/** Who is calling, where an API key is enough. Not together with a signature. */
export const authenticateApi: MiddlewareApi = {
  ...signatureApi,
  problems: ['api_key_invalid', ...signatureApi.problems],
  securitySchemes: {
    apiKey: { type: 'http', scheme: 'bearer', description: BEARER },
    ...signatureApi.securitySchemes,
  },
  security: (operation) => [['apiKey'], ...(signatureApi.security?.(operation) ?? [])],
}

/** The same where credentials are optional, and credentials that are sent must be right all the same. */
export const openApi: MiddlewareApi = {
  ...authenticateApi,
  problems: authenticateApi.problems.filter((code) => code !== 'signature_missing'),
  security: (operation) => [[], ...(authenticateApi.security?.(operation) ?? [])],
}
