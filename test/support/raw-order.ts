import { createHash, randomBytes } from 'node:crypto'
import { toSecret } from '../../internal/signature/client-registry.ts'
import { hmac, stringToSign } from '../../internal/signature/schemes.ts'

/** The client and the secret of demo mode. */
const DEMO_CLIENT = 'default'
export const DEMO_SECRET = 'super-secret-key'
export const GOOD_BODY = '{"user_id":"user-1","item":"book","amount":500}'

/** A valid request, of which a test changes one part. */
export interface RawOrder {
  method: string
  target: string
  /** The value of X-Client-Id; undefined: no such header, so client `default`. */
  client: string | undefined
  secret: string
  /** The value of Idempotency-Key as sent, each character one byte; undefined: no such header. */
  key: string | undefined
  body: string | Buffer
  /** undefined: no such header. */
  contentType: string | undefined
  /** Unix seconds. */
  timestamp: number
  /** The value of X-Signature instead of the right one; undefined: no such header. */
  signature: string | undefined
  /** More header lines. */
  headers: readonly string[]
  /** Content-Length, or the whole body as one chunk. */
  framing: 'length' | 'chunked'
}

/** The bytes of a request signed with v1. */
export function signedOrder(change: Partial<RawOrder> = {}): Buffer {
  const order: RawOrder = { ...rightOrder(), ...change }
  const body = Buffer.from(order.body)
  const signature = 'signature' in change ? change.signature : v1(order)
  const lines = [`${order.method} ${order.target} HTTP/1.1`, 'Host: 127.0.0.1']
  if (order.client !== undefined) lines.push(`X-Client-Id: ${order.client}`)
  if (order.key !== undefined) lines.push(`Idempotency-Key: ${order.key}`)
  if (order.contentType !== undefined) lines.push(`Content-Type: ${order.contentType}`)
  if (signature !== undefined) lines.push(`X-Signature: ${signature}`)
  lines.push(order.framing === 'length' ? `Content-Length: ${body.length}` : 'Transfer-Encoding: chunked')
  lines.push(...order.headers, '', '')
  const head = Buffer.from(lines.join('\r\n'), 'latin1')
  if (order.framing === 'length') return Buffer.concat([head, body])
  return Buffer.concat([
    head,
    Buffer.from(`${body.length.toString(16)}\r\n`),
    body,
    Buffer.from('\r\n0\r\n\r\n'),
  ])
}

/** A signed GET. */
export function signedGet(target: string, change: Partial<RawOrder> = {}): Buffer {
  return signedOrder({ method: 'GET', target, key: undefined, body: '', contentType: undefined, ...change })
}

/** The value of X-Signature, computed over bytes, because tests also sign keys and targets that are not UTF-8. */
export function v1(change: Partial<RawOrder> = {}): string {
  const order: RawOrder = { ...rightOrder(), ...change }
  const bodySha256 = createHash('sha256').update(order.body).digest('hex')
  const { client = DEMO_CLIENT } = order
  // Surrounding white space does not belong to the value.
  const key = (order.key ?? '').replace(/^[\t ]+|[\t ]+$/g, '')
  const text = stringToSign({ ...order, client, key, bodySha256 })
  const mac = hmac(toSecret(order.secret), Buffer.from(text, 'latin1'))
  return `t=${order.timestamp},v1=${mac.toString('hex')}`
}

export function newKey(): string {
  return `key-${randomBytes(8).toString('hex')}`
}

function rightOrder(): RawOrder {
  return {
    method: 'POST',
    target: '/orders',
    client: undefined,
    secret: DEMO_SECRET,
    key: newKey(),
    body: GOOD_BODY,
    contentType: 'application/json',
    timestamp: Math.floor(Date.now() / 1000),
    signature: undefined,
    headers: [],
    framing: 'length',
  }
}
