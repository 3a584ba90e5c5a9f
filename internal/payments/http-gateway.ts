import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { z } from 'zod'
import { type HttpResponse, httpExchange } from '../core/http-exchange.ts'
import { parseJson } from '../core/parse-json.ts'
import type { Charge, Charged, PaymentGateway, Unanswered } from './gateway.ts'
import { textMember } from './payment.ts'

export interface HttpGatewayOptions {
  /** May hold credentials (basic authentication), which are sent and never shown. */
  url: string
  /** Of a charge, up to its whole response. */
  timeoutMs: number
}

/** A gateway that is up accepts a connection within milliseconds, a distant one within a few hundred. */
const CONNECT_TIMEOUT_MS = 3_000
/** A lookup is cheap, may be repeated, and a client waits for it. */
const FIND_TIMEOUT_MS = 2_000
/** Most servers close idle connections after 5 s or more. This one closes them before that. */
const IDLE_MS = 2_000
const MAX_CONNECTIONS = 256
/** A response has some hundred bytes. */
const MAX_RESPONSE_BYTES = 65_536

const chargeResponse = z.object({
  // A text that PostgreSQL cannot store is refused. So is a number that a double does not hold exactly: it would be
  // another id.
  id: z.union([
    z.string().regex(/^[^\p{Cc}\p{Cs}]{1,255}$/u),
    z.number().refine(Number.isSafeInteger).transform(String),
  ]),
  status: z.enum(['completed', 'declined']),
})
const EXPECTED =
  'expected {"id","status"} in JSON, with an id of 1 to 255 characters or a whole number up to 2^53, and the status completed or declined'

/**
 * `POST {url}/charges` with the key as `Idempotency-Key`; the response is 2xx, or 402 for a declined charge, with
 * `{"id","status":"completed"|"declined"}`. `GET {url}/charges/{key}`: 200 with the same, or 404.
 */
export function httpGateway({ url, timeoutMs }: HttpGatewayOptions): PaymentGateway {
  const base = new URL(url)
  const options = { keepAlive: true, timeout: IDLE_MS, maxSockets: MAX_CONNECTIONS }
  const agent = base.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options)
  const at = (path: string) => {
    const full = new URL(base)
    full.pathname = `${base.pathname.replace(/\/$/, '')}${path}`
    return full
  }
  const common = { agent, connectTimeoutMs: CONNECT_TIMEOUT_MS, maxBytes: MAX_RESPONSE_BYTES }

  return {
    async charge(charge, { mayLeave, headers = {} }) {
      const body = chargeJson(charge)
      const result = await httpExchange({
        ...common,
        method: 'POST',
        url: at('/charges'),
        body,
        timeoutMs,
        mayLeave,
        headers: {
          ...headers,
          Accept: 'application/json',
          'Content-Type': 'application/json',
          'Content-Length': String(Buffer.byteLength(body)),
          'Idempotency-Key': charge.key,
        },
      })
      if (result.outcome === 'unsent') return { outcome: 'unsent', cause: result.cause }
      if (result.outcome !== 'answered') return { outcome: result.outcome, cause: result.cause }
      const { response } = result
      const { status } = response
      // 402 with a charge in its body is a declined charge; without one it is a refusal.
      const declined = status === 402 ? chargeIn(response.body) : undefined
      if (declined?.outcome === 'declined') return declined
      if (status === 429) return { outcome: 'busy', retryAfterMs: secondsMs(response.retryAfter) }
      if (status >= 400 && status < 500 && !MAYBE.has(status)) return { outcome: 'refused', status }
      return charged(response)
    },
    async find(key) {
      const result = await httpExchange({
        ...common,
        method: 'GET',
        url: at(`/charges/${key}`),
        timeoutMs: Math.min(timeoutMs, FIND_TIMEOUT_MS),
        headers: { Accept: 'application/json' },
      })
      if (result.outcome === 'answered') {
        const { response } = result
        return response.status === 404 ? { outcome: 'none' } : charged(response)
      }
      return { outcome: result.outcome === 'timeout' ? 'timeout' : 'error', cause: result.cause }
    },
    close: () => agent.destroy(),
  }
}

/** 4xx after which a charge is possible: the request took too long, or another one with its key is in flight. */
const MAYBE = new Set([408, 409, 425])

function charged({ status, body }: HttpResponse): Charged | Unanswered {
  if (status >= 300 && status < 400) {
    return failed(
      `the gateway returned ${status}: redirects are not followed, set GATEWAY_URL to where they lead`,
    )
  }
  if (status < 200 || status > 299) return failed(`the gateway returned ${status}`)
  // The body is not quoted: it may contain what was sent.
  return chargeIn(body) ?? failed(`the gateway returned ${status} with ${whatIsWrong(body)}: ${EXPECTED}`)
}

function chargeIn(body: Buffer): Charged | undefined {
  const { data } = chargeResponse.safeParse(parseJson(body.toString()))
  return data && { outcome: data.status, chargeId: data.id }
}

function whatIsWrong(body: Buffer): string {
  const text = body.toString()
  if (text.startsWith('\ufeff')) return 'a byte order mark in front of its JSON'
  const json = parseJson(text)
  if (json === undefined) return 'something else than JSON'
  const { error } = chargeResponse.safeParse(json)
  const names = new Set(error?.issues.map(({ path }) => path[0]).filter((name) => name !== undefined))
  return names.size === 0
    ? 'something else than an object'
    : `no valid ${[...names].map(String).join(' and ')}`
}

function failed(message: string): Unanswered {
  return { outcome: 'error', cause: new Error(message) }
}

/** The amount goes in as its decimal text. */
function chargeJson(charge: Charge): string {
  const { amount, currency, description, paymentMethod, metadata } = charge
  const members = [
    `"amount":${amount}`,
    ...textMember('currency', currency),
    ...textMember('description', description),
    ...textMember('payment_method', paymentMethod),
    ...(metadata === undefined ? [] : [`"metadata":${metadata}`]),
  ]
  return `{${members.join(',')}}`
}

/** A Retry-After in seconds; 60 s at most. */
function secondsMs(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Math.min(Number(text), 60) * 1_000 : undefined
}
