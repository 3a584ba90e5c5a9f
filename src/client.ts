/**
 * The SDK for partners, `oncekey/client`: it signs requests or sends an API key, and retries. It needs only WebCrypto and
 * fetch, so it runs in Node.js and in browsers. Keep secret and API key out of public pages: anybody who has them can
 * order and pay.
 */
import { type AuditLogs, createAuditLogs } from './client/audit-logs.ts'
import { bearer, type Credentials, signature } from './client/credentials.ts'
import { createEvents, type Events } from './client/events.ts'
import { createOrders, type Orders } from './client/orders.ts'
import { createPayments, type Payments } from './client/payments.ts'
import { type RateLimits, readRateLimits } from './client/rate-limits.ts'
import { createRequest, type SendRequest } from './client/request.ts'
import { RetryBudget } from './client/retry-budget.ts'
import { type FoundRetryConfig, readRetryConfig, serviceRules } from './client/retry-config.ts'
import { DEFAULT_RETRY_ON, type RetryPolicy, retryPolicy } from './client/retry-policy.ts'
import { sleep } from './client/signals.ts'
import { createSignedFetch, type SignedFetch } from './client/signed-fetch.ts'
import { createSigner } from './client/signer.ts'
import type { Effort, RetryNotice, Transport } from './client/transport.ts'

export type { AuditEntry, AuditList, AuditLogs, AuditOptions, AuditPage } from './client/audit-logs.ts'
export type { Event, EventList, EventOptions, EventPage, Events } from './client/events.ts'
export type {
  CreatedOrder,
  CreateOptions,
  FoundOrder,
  Order,
  OrderInput,
  OrderList,
  OrderPage,
  Orders,
} from './client/orders.ts'
export type { PageOptions } from './client/pages.ts'
export type {
  CreatedPayment,
  FoundPayment,
  Payment,
  PaymentInput,
  Payments,
  PayOptions,
} from './client/payments.ts'
export {
  type FieldFault,
  type GaveUp,
  type LocalCode,
  type Problem,
  type ProblemCode,
  ProblemError,
  type RateLimitStanding,
  type ServiceCode,
} from './client/problem-error.ts'
export type { RateLimit, RateLimits } from './client/rate-limits.ts'
export type { ServiceResponse } from './client/read-response.ts'
export type { RequestInput, SendRequest } from './client/request.ts'
export type { FoundRetryConfig, RetryConfig } from './client/retry-config.ts'
export { DEFAULT_RETRY, type RetryPolicy } from './client/retry-policy.ts'
export type { SignedFetch, SignedInit } from './client/signed-fetch.ts'
export type { Effort, RetryNotice, Sent } from './client/transport.ts'
export {
  type VerifyOptions,
  WebhookError,
  type WebhookFault,
  type WebhookHeaders,
  type Webhooks,
  webhooks,
} from './client/webhooks.ts'

/** All options except the credentials. */
export interface ClientSettings {
  /** The address of the service, e.g. `https://orders.example`. */
  baseUrl: string | URL
  /**
   * Values that differ from DEFAULT_RETRY, or `service`: the recommendation of the service, read once, with the first
   * request. If it cannot be read or is not supported, DEFAULT_RETRY is used.
   */
  retry?: Partial<RetryPolicy> | 'service'
  /** A longer response is refused. Default: 4 MiB. */
  maxResponseBytes?: number
  /** Called before each wait for a retry; for your log. */
  onRetry?: (retry: RetryNotice) => void
  fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  now?: () => number
  /** From 0 to less than 1. */
  random?: () => number
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>
}

/** Signs every request. */
export interface SigningOptions extends ClientSettings {
  /** Your client id; `default` by default. */
  client?: string
  secret: string
  apiKey?: never
}

/** Sends an API key with every request, as `Authorization: Bearer`: for `/api/v1`, not for orders. */
export interface ApiKeyOptions extends ClientSettings {
  apiKey: string
  client?: never
  secret?: never
}

export type ClientOptions = SigningOptions | ApiKeyOptions

export interface Client {
  /** Orders need a signature. */
  readonly orders: Orders
  readonly payments: Payments
  readonly auditLogs: AuditLogs
  /** The changes of orders and payments. */
  readonly events: Events
  /** The state of each limit of payments, without using any. */
  rateLimits(options?: Effort): Promise<RateLimits>
  /** How the service recommends to retry. */
  retryConfig(options?: Effort): Promise<FoundRetryConfig>
  /** Sends a request to any route, signed and retried like an order. */
  readonly request: SendRequest
  /** One signed attempt for any route of the service; a relative URL is resolved against `baseUrl`. */
  readonly signedFetch: SignedFetch
}

const MAX_RESPONSE_BYTES = 4 * 1024 * 1024

/**
 * @throws RangeError or TypeError that names the option with its value (never the secret or the API key).
 * @example const client = createClient({ baseUrl: 'https://orders.example', client: 'acme', secret })
 */
export function createClient(options: ClientOptions): Client {
  const base = baseUrl(options.baseUrl)
  const { now = Date.now, random = Math.random, maxResponseBytes = MAX_RESPONSE_BYTES, retry = {} } = options
  if (!(maxResponseBytes >= 1))
    throw new RangeError(`maxResponseBytes must be at least 1, not ${maxResponseBytes}`)
  if (typeof retry === 'string' && retry !== 'service')
    throw new RangeError(`retry must be an object or "service", not ${JSON.stringify(retry)}`)
  const policy = retryPolicy(retry === 'service' ? {} : retry)
  const sending = {
    credentials: credentials(options),
    maxResponseBytes,
    now,
    random,
    // Looked up at each call, so that a program may replace the global fetch later.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    budget: new RetryBudget(policy.budgetRatio, policy.budgetReserve, now),
    onRetry: options.onRetry,
    sleep: options.sleep ?? sleep,
  } satisfies Omit<Transport, 'rules'>
  const own = { policy, on: DEFAULT_RETRY_ON }
  const rules = retry === 'service' ? serviceRules(sending, base) : async () => own
  const request = createRequest({ ...sending, rules }, base)
  return {
    orders: createOrders(request),
    payments: createPayments(request),
    auditLogs: createAuditLogs(request),
    events: createEvents(request),
    rateLimits: (effort) => readRateLimits(request, effort),
    retryConfig: (effort) => readRetryConfig(request, effort),
    request,
    signedFetch: createSignedFetch(sending, base),
  }
}

function credentials({ client, secret, apiKey }: ClientOptions): Credentials {
  if (apiKey === undefined) return signature(createSigner(client ?? 'default', secret))
  // Checked for programs in JavaScript; in TypeScript the types refuse it.
  if (client !== undefined || secret !== undefined)
    throw new TypeError('give either apiKey, or client and secret')
  return bearer(apiKey)
}

/** The base URL with a final slash, so that its path is kept when routes are resolved. */
function baseUrl(given: string | URL): URL {
  const url = URL.canParse(String(given)) ? new URL(given) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new TypeError(
      `baseUrl must be an http or https URL without user and password, not ${String(given)}`,
    )
  url.search = ''
  url.hash = ''
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}
