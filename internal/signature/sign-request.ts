import { createHash } from 'node:crypto'
import { WireBody } from '../core/request-state.ts'
import { DEFAULT_CLIENT, type Scheme, type Secret, toSecret } from './client-registry.ts'
import { contentDigest } from './content-digest.ts'
import { signatureParams } from './message-signature.ts'
import { hmac, sign } from './schemes.ts'
import { signatureBase } from './signature-base.ts'
import { serializeBytes } from './structured-fields.ts'

/** A request before it is signed; all strings are UTF-8. */
export interface UnsignedRequest {
  method: string
  /** Path and query, exactly as they will be on the wire. */
  target: string
  client: string
  /** '' without one. */
  key: string
  body: Buffer | string
  /** Unix seconds. */
  timestamp: number
}

const LABEL = 'sig1'

/**
 * The headers that a request needs besides those about its content, in the order of `[name, value]`: who it is from,
 * its key and the signature. Throws RangeError for what cannot be signed (a line break, with rfc9421 anything but ASCII).
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

/** Covers what the profile asks for and nothing else, so that a proxy may change the rest. */
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
