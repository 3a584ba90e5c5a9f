import { newKey, validKey } from './idempotency-key.ts'
import {
  type FindOptions,
  type Listing,
  type ListOptions,
  listing,
  listQuery,
  type Page,
  pageOf,
} from './pages.ts'
import { hasStrings, isObject } from './read-response.ts'
import type { SendRequest } from './request.ts'
import { type About, aboutOf, type Created, parsed, read, withQuery } from './result.ts'
import type { Effort } from './transport.ts'

const PATH = 'api/v1/payments'
/** A declined payment is a result, not an error: it is stored and replayed like a completed one. */
const DECLINED = 402
const STATUSES = ['completed', 'declined', 'processing', 'unknown'] as const

export interface PaymentInput {
  /** Positive, at most 15 significant digits, and at most the decimals of the currency. Preferably text. */
  amount: number | string
  /** ISO 4217, e.g. `EUR`. */
  currency: string
  /** 1 to 255 characters, no control characters. */
  description?: string
  payment_method: string
  /** At most 50 pairs. */
  metadata?: Record<string, string>
}

export interface Payment {
  transaction_id: string
  /**
   * `processing` and `unknown` mean that it is not yet known whether the payment was charged. `create` never returns
   * them.
   */
  status: (typeof STATUSES)[number]
  /** At most 15 significant digits, which a JavaScript number shows exactly. Sums of such numbers may be inexact. */
  amount: number
  currency: string
  description?: string
  /** The masked token. */
  payment_method: string
  metadata?: Record<string, string>
  /** RFC 3339, UTC. */
  created_at: string
}

export interface CreatedPayment extends Created {
  /** `completed` or `declined`. */
  payment: Payment
}

export interface FoundPayment extends About {
  payment: Payment
}

export interface PaymentPage extends About, Page {
  payments: Payment[]
}

export interface PaymentListOptions extends ListOptions {
  status?: Payment['status'] | undefined
}

/** All own payments, newest first; each page is requested when it is needed. */
export type PaymentList = Listing<Payment, PaymentPage>

export interface PayOptions extends Effort {
  /** The idempotency key: 16 to 255 of `A-Z a-z 0-9 _ -`, the same for every retry of one payment. Default: a UUID. */
  key?: string | undefined
}

export interface Payments {
  /**
   * Makes a payment. Attempts are repeated with the same key, so there is one charge. A declined payment is not an error:
   * it has `payment.status` `declined`. Rejects with ProblemError.
   */
  create(input: PaymentInput, options?: PayOptions): Promise<CreatedPayment>
  /** Rejects with ProblemError `not_found` if this caller has no such payment. */
  get(transactionId: string, options?: Effort): Promise<FoundPayment>
  /** The payment with this key; undefined if there was none at the time of the response. */
  find(options: FindOptions): Promise<Payment | undefined>
  page(options?: PaymentListOptions): Promise<PaymentPage>
  /** `for await (const payment of client.payments.list())`. The deadline applies to each page. */
  list(options?: PaymentListOptions): PaymentList
}

export function createPayments(request: SendRequest): Payments {
  const page = async (options: PaymentListOptions = {}): Promise<PaymentPage> =>
    read(request, withQuery(PATH, { ...listQuery(options), status: options.status }), options, paymentsOf)

  return {
    async create(input, options = {}) {
      const { key = newKey(), signal, deadlineMs } = options
      const { amount, currency, description, payment_method, metadata, ...rest } = input
      // A fixed order of members and sorted metadata: a repeated request with the same key must have the same bytes.
      const members = { amount, currency, description, payment_method, metadata: sorted(metadata), ...rest }
      const sent = await request(PATH, {
        method: 'POST',
        body: JSON.stringify(members),
        key,
        signal,
        deadlineMs,
        outcomes: [DECLINED],
      })
      const { payment } = parsed(sent, key, paymentOf)
      return { payment, key, replayed: sent.replayed, ...aboutOf(sent) }
    },
    get: async (transactionId, options = {}) =>
      read(request, `${PATH}/${encodeURIComponent(transactionId)}`, options, paymentOf),
    async find(options) {
      const path = withQuery(PATH, { idempotency_key: validKey(options.key) })
      const { payments } = await read(request, path, options, paymentsOf)
      return payments[0]
    },
    page,
    list: (options = {}) => listing(page, ({ payments }) => payments, options),
  }
}

function sorted(metadata: Record<string, string> | undefined): Record<string, string> | undefined {
  if (metadata === undefined) return undefined
  return Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function paymentsOf(value: unknown): { payments: Payment[]; nextCursor: string | null } | undefined {
  const page = pageOf(value, 'payments', isPayment)
  return page && { payments: page.items, nextCursor: page.nextCursor }
}

function paymentOf(value: unknown): { payment: Payment } | undefined {
  return isObject(value) && isPayment(value.payment) ? { payment: value.payment } : undefined
}

/** Accepts further members, which a newer service may send. */
function isPayment(value: unknown): value is Payment {
  if (!isObject(value) || typeof value.amount !== 'number') return false
  if (!STATUSES.some((status) => status === value.status)) return false
  return hasStrings(value, 'transaction_id', 'currency', 'payment_method', 'created_at')
}
