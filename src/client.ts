/**
 * The client for partners, `oncekey/client`: a signed, retrying fetch. It stands on WebCrypto and fetch alone, so that
 * it runs in Node.js and in browsers (keep the secret out of public pages: who has it can order).
 */
import { createOrders, type Orders } from './client/orders.ts'
import { createRequest, type SendRequest } from './client/request.ts'
import { RetryBudget } from './client/retry-budget.ts'
import { type RetryPolicy, retryPolicy } from './client/retry-policy.ts'
import { sleep } from './client/signals.ts'
import { createSignedFetch, type SignedFetch } from './client/signed-fetch.ts'
import { createSigner } from './client/signer.ts'
import type { RetryNotice, Transport } from './client/transport.ts'

export type { Answer } from './client/answer.ts'
export type {
  CreatedOrder,
  CreateOptions,
  FoundOrder,
  Order,
  OrderInput,
  OrderList,
  OrderPage,
  Orders,
  PageOptions,
} from './client/orders.ts'
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
export type { RequestInput, SendRequest } from './client/request.ts'
export { DEFAULT_RETRY, type RetryPolicy } from './client/retry-policy.ts'
export type { SignedFetch, SignedInit } from './client/signed-fetch.ts'
export type { Effort, RetryNotice, Sent } from './client/transport.ts'

export interface ClientOptions {
  /** Where the service is, e.g. `https://orders.example`. */
  baseUrl: string | URL
  /** Your client id; without one `default`. */
  client?: string
  secret: string
  /** What differs from DEFAULT_RETRY. */
  retry?: Partial<RetryPolicy>
  /** A longer answer is refused. Default: 4 MiB. */
  maxAnswerBytes?: number
  /** Told before each wait for a retry; for your log. */
  onRetry?: (retry: RetryNotice) => void
  fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  now?: () => number
  /** From 0 to less than 1. */
  random?: () => number
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>
}

export interface Client {
  readonly orders: Orders
  /** Signed and retried like an order, for routes that have no method here. */
  readonly request: SendRequest
  /** One signed attempt for any route of the service; a relative URL is resolved against `baseUrl`. */
  readonly signedFetch: SignedFetch
}

const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/** Throws RangeError or TypeError that names the option with its value (never the secret). */
export function createClient(options: ClientOptions): Client {
  const base = baseUrl(options.baseUrl)
  const { now = Date.now, random = Math.random, maxAnswerBytes = MAX_ANSWER_BYTES } = options
  if (!(maxAnswerBytes >= 1)) throw new RangeError(`maxAnswerBytes must be at least 1, not ${maxAnswerBytes}`)
  const signer = createSigner(options.client ?? 'default', options.secret)
  const policy = retryPolicy(options.retry)
  const transport: Transport = {
    signer,
    policy,
    maxAnswerBytes,
    now,
    random,
    // Looked up at each call: who replaces the global one later means it.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    budget: new RetryBudget(policy.budgetRatio, policy.budgetReserve, now),
    onRetry: options.onRetry,
    sleep: options.sleep ?? sleep,
  }
  const request = createRequest(transport, base)
  return { orders: createOrders(request), request, signedFetch: createSignedFetch(transport, base) }
}

/** Ends in a slash, so that a path before it stays when routes are resolved. */
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
