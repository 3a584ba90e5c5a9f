import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { gatewayKeyOf } from '../../internal/payments/payment.ts'
import { sign } from '../../internal/signature/schemes.ts'
import { type Reply, send } from './order-client.ts'

const SECRET = 'super-secret-key'
const PATH = '/api/v1/payments'

export function newPaymentKey(): string {
  return `key-${randomBytes(12).toString('hex')}`
}

/** The key of this payment at the gateway. */
export function gatewayKey(key: string): string {
  return gatewayKeyOf('default', `POST ${PATH}`, key)
}

export function paymentBody(change: Record<string, unknown> = {}): string {
  return JSON.stringify({ amount: '19.90', currency: 'EUR', payment_method: 'pm_secret_4242', ...change })
}

function headers(method: string, target: string, key: string, body: string): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1000)
  return {
    'X-Signature': sign({
      scheme: 'v1',
      secret: SECRET,
      method,
      target,
      timestamp,
      client: 'default',
      key,
      body,
    }),
  }
}

/** `POST /api/v1/payments` at the service of this URL; never repeated. */
export function postPayment(url: string, key: string, body: string, timeoutMs = 60_000): Promise<Reply> {
  return send(`${url}${PATH}`, {
    method: 'POST',
    body,
    timeoutMs,
    headers: {
      ...headers('POST', PATH, key, body),
      'Content-Type': 'application/json',
      'Idempotency-Key': key,
    },
  })
}

export function getPayment(url: string, id: string): Promise<Reply> {
  const target = `${PATH}/${id}`
  return send(`${url}${target}`, { headers: headers('GET', target, '', '') })
}

/** Repeats the request until there is a final response, like a partner; returns all responses. */
export async function payPatiently(
  urls: readonly string[],
  key: string,
  body: string,
  patienceMs = 120_000,
): Promise<{ reply: Reply; before: string[] }> {
  const deadline = Date.now() + patienceMs
  const before: string[] = []
  for (let n = 0; ; n++) {
    const url = urls[n % urls.length] ?? ''
    const response = await postPayment(url, key, body).catch((error: unknown) => error)
    if (isReply(response)) {
      if (response.status === 200 || response.status === 402) return { reply: response, before }
      before.push(`${response.status} ${response.code}`)
    } else {
      before.push(response instanceof Error && 'code' in response ? String(response.code) : String(response))
    }
    if (Date.now() > deadline) throw new Error(`no final response for ${key}: ${before.slice(-5).join(', ')}`)
    await sleep(Math.min(1_000, 100 * (n + 1)))
  }
}

function isReply(value: unknown): value is Reply {
  return typeof value === 'object' && value !== null && 'status' in value && 'body' in value
}
