import { createHash } from 'node:crypto'
import { WireBody } from '../core/request-state.ts'
import { DEFAULT_CLIENT, type Scheme, type Secret, toSecret } from './client-registry.ts'
import { contentDigest } from './content-digest.ts'
import { signatureParams } from './message-signature.ts'
import { hmac, sign } from './schemes.ts'
import { signatureBase } from './signature-base.ts'
import { serializeBytes } from './structured-fields.ts'

/** A request to sign. All strings are encoded in UTF-8. */
export interface UnsignedRequest {
  method: string
  /** Path and query, exactly as they will be sent. */
  target: string
  client: string
  /** The idempotency key; '' without one. */
  key: string
  body: Buffer | string
  /** Unix seconds. */
  timestamp: number
}

const LABEL = 'sig1'

/**
 * The headers for the key, the client and the signature of a request, as `[name, value]` pairs. Throws RangeError if a
 * value cannot be signed: it has a line break or, with rfc9421, a character outside ASCII.
 */
export function signedHeaders(
  scheme: Scheme,
  secret: Secret | string,
  request: UnsignedRequest,
): [string, string][] {
  const { client, key } = request
  const keyHeader: [string, string][] = key === '' ? [] : [['Idempotency-Key', key]]
  if (scheme === 'rfc9421') return [...keyHeader, ...messageSignature(secret, request, keyHeader)]
  const clientHeader: [string, string][] = client === DEFAULT_CLIENT ? [] : [['X-Client-Id', client]]
  return [...keyHeader, ...clientHeader, ['X-Signature', sign({ ...request, scheme, secret })]]
}

/** Covers only what the profile requires, so that a proxy may change everything else. */
function messageSignature(
  secret: Secret | string,
  request: UnsignedRequest,
  keyHeader: readonly [string, string][],
): [string, string][] {
  const { method, target, client, timestamp } = request
  const body = Buffer.from(request.body)
  const digest = contentDigest(createHash('sha256').update(body).digest('hex'))
  const headers: [string, string][] = body.length === 0 ? [] : [['Content-Digest', digest]]
  const covered = [
    '@method',
    '@path',
    ...(target.includes('?') ? ['@query'] : []),
    ...[...headers, ...keyHeader].map(([name]) => name.toLowerCase()),
  ]
  const params = signatureParams(covered, [
    ['created', timestamp],
    ['keyid', client],
  ])
  const rawHeaders = [...keyHeader, ...headers].flat()
  const base = signatureBase({ method, target, rawHeaders, body: new WireBody(body) }, { covered, params })
  if (base === undefined) throw new RangeError('what an RFC 9421 signature covers must be printable ASCII')
  const mac = hmac(typeof secret === 'string' ? toSecret(secret) : secret, Buffer.from(base, 'latin1'))
  return [
    ...headers,
    ['Signature-Input', `${LABEL}=${params}`],
    ['Signature', `${LABEL}=${serializeBytes(mac)}`],
  ]
}
