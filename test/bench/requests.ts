import { randomBytes } from 'node:crypto'
import { sign } from '../../internal/signature/schemes.ts'

/** Of the client `default`, for every contestant. */
export const SECRET = randomBytes(24).toString('base64url')

export interface OrderIntent {
  key: string
  /** So that bodies differ. */
  amount: number
}

/** The whole bytes of a signed order: signing costs more than sending, so it is done ahead. */
export function orderRequest({ key, amount }: OrderIntent, secret = SECRET): Buffer {
  return signedRequest('/orders', key, `{"user_id":"user-1","item":"book","amount":${amount}}`, secret)
}

/** The same for a payment. */
export function paymentRequest(key: string): Buffer {
  const body = '{"amount":49.9,"currency":"EUR","payment_method":"card_4242"}'
  return signedRequest('/api/v1/payments', key, body, SECRET)
}

function signedRequest(target: string, key: string, body: string, secret: string): Buffer {
  const timestamp = Math.floor(Date.now() / 1_000)
  const signature = sign({
    method: 'POST',
    target,
    client: 'default',
    key,
    body,
    timestamp,
    scheme: 'v1',
    secret,
  })
  return Buffer.from(
    `POST ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\nIdempotency-Key: ${key}\r\nX-Signature: ${signature}\r\n\r\n${body}`,
  )
}

/** To forward as it is. */
export const KEYLESS_REQUEST = Buffer.from(
  'GET /hello?n=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n',
)

/** To forward once. */
export function keyedRequest(key: string): Buffer {
  const body = '{"message":"hello, world!"}'
  return Buffer.from(
    `POST /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\nIdempotency-Key: ${key}\r\n\r\n${body}`,
  )
}

/** That many new keys, the same number of characters in each. */
export function newKeys(count: 1): [string]
export function newKeys(count: number): string[]
export function newKeys(count: number): string[] {
  const run = randomBytes(6).toString('hex')
  return Array.from({ length: count }, (_, n) => `${run}-${String(n).padStart(8, '0')}`)
}
