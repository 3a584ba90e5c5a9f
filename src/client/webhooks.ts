import { type Event, isEvent } from './events.ts'
import { parseJson } from './read-response.ts'

/** The headers of a request: a Headers object, or an object as in Node.js. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>

export interface VerifyOptions {
  /** The secret of the endpoint, `whsec_…`; several while it is rotated. */
  secret: string | readonly string[]
  /**
   * By how much `webhook-timestamp` may differ from now, in either direction. Default: 300,000, as in Standard
   * Webhooks.
   */
  toleranceMs?: number
  /** Milliseconds since 1970. */
  now?: () => number
}

export interface Webhooks {
  /**
   * Verifies a webhook and returns its event. `body` must be the received bytes, not parsed and serialised again. Rejects
   * with WebhookError.
   */
  verify(body: string | Uint8Array, headers: WebhookHeaders, options: VerifyOptions): Promise<Event>
}

export type WebhookFault = 'headers' | 'timestamp' | 'signature' | 'body' | 'secret'

/**
 * Why a webhook was not accepted.
 *
 * @example catch (error) { if (error instanceof WebhookError) response.writeHead(400).end(error.fault) }
 */
export class WebhookError extends Error {
  readonly fault: WebhookFault

  constructor(fault: WebhookFault, message: string) {
    super(message)
    this.name = 'WebhookError'
    this.fault = fault
  }
}

const TOLERANCE_MS = 300_000
const MIN_SECRET_BYTES = 24

/**
 * Verifies webhooks. It needs no client.
 *
 * @throws WebhookError, from `verify`; RangeError for a `toleranceMs` that is no number.
 * @example const event = await webhooks.verify(body, request.headers, { secret: 'whsec_…' })
 */
export const webhooks: Webhooks = {
  async verify(body, headers, { secret, toleranceMs = TOLERANCE_MS, now = Date.now }) {
    // With NaN every comparison is false: webhooks of any age would be accepted.
    if (typeof toleranceMs !== 'number' || !(toleranceMs >= 0))
      throw new RangeError(`toleranceMs must be a number from 0, not ${String(toleranceMs)}`)
    const id = headerOf(headers, 'webhook-id')
    const seconds = headerOf(headers, 'webhook-timestamp')
    const signature = headerOf(headers, 'webhook-signature')
    const keys = (typeof secret === 'string' ? [secret] : secret).map(keyBytes)
    if (!/^\d{1,12}$/.test(seconds)) throw new WebhookError('timestamp', 'webhook-timestamp is not a time')
    if (Math.abs(now() - Number(seconds) * 1_000) > toleranceMs)
      throw new WebhookError('timestamp', 'webhook-timestamp is too old or in the future')
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
    const signed = concat(new TextEncoder().encode(`${id}.${seconds}.`), bytes)
    const signatures = signature
      .split(' ')
      .flatMap((one) => (one.startsWith('v1,') ? (base64(one.slice(3)) ?? []) : []))
    for (const key of keys) {
      const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, [
        'verify',
      ])
      for (const one of signatures) {
        // verify() compares in constant time.
        if (await crypto.subtle.verify('HMAC', imported, one, signed)) return eventOf(bytes, id)
      }
    }
    throw new WebhookError('signature', 'no signature matches these bytes and this secret')
  },
}

function headerOf(headers: WebhookHeaders, name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : headers[name]
  if (typeof value === 'string' && value !== '') return value
  throw new WebhookError('headers', `${name} is missing or repeated`)
}

function keyBytes(secret: string): Uint8Array<ArrayBuffer> {
  const key = secret.startsWith('whsec_') ? base64(secret.slice('whsec_'.length)) : undefined
  if (key !== undefined && key.length >= MIN_SECRET_BYTES) return key
  throw new WebhookError('secret', 'a secret must be whsec_ followed by base64 of at least 24 bytes')
}

function base64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length)
  whole.set(first)
  whole.set(second, first.length)
  return whole
}

function eventOf(bytes: Uint8Array, id: string): Event {
  const value = parseJson(bytes)
  if (isEvent(value) && value.id === id) return value
  throw new WebhookError('body', 'the body is signed, but it is not an event')
}
