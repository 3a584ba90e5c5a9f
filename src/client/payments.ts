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
import { hasTexts, isObject } from './read-response.ts'
import type { SendRequest } from './request.ts'
import { type About, aboutOf, type Created, parsed, read, withQuery } from './result.ts'
import type { Effort } from './transport.ts'

const PATH = 'api/v1/payments'
/** A payment that was declined is an outcome: it is stored and replayed like one that was completed. */
const DECLINED = 402
const STATUSES = ['completed', 'declined', 'processing', 'unknown'] as const

export interface PaymentInput {
  /** Positive, at most 15 significant digits, and as many decimals as the currency has. Best sent as text. */
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
  /** `processing` and `unknown` are only seen by `get`: whether it was charged is being found out. */
  status: (typeof STATUSES)[number]
  /** At most 15 significant digits: a JavaScript number shows every one of them. Do not add such numbers up. */
  amount: number
  currency: string
  description?: string
  /** Masked. */
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

/** All own payments, newest first, read page by page as they are asked for. */
export type PaymentList = Listing<Payment, PaymentPage>

export interface PayOptions extends Effort {
  /** Your own name for this payment, 16 to 255 of `A-Z a-z 0-9 _ -`; the same one for the same payment. */
  key?: string | undefined
}

export interface Payments {
  /**
   * Pays once, however often it has to be sent. A payment that is declined is no error: `payment.status` says so.
   * Rejects with ProblemError.
   */
  create(input: PaymentInput, options?: PayOptions): Promise<CreatedPayment>
  /** Rejects with ProblemError, code `not_found`, for what is no payment of this caller. */
  get(transactionId: string, options?: Effort): Promise<FoundPayment>
  /** The payment that was made under this key; undefined: none was, at the time of the response. */
  find(options: FindOptions): Promise<Payment | undefined>
  page(options?: PaymentListOptions): Promise<PaymentPage>
  /** `for await (const payment of client.payments.list())`. The deadline is for each page. */
  list(options?: PaymentListOptions): PaymentList
}

export function createPayments(request: SendRequest): Payments {
  const page = async (options: PaymentListOptions = {}): Promise<PaymentPage> =>
    read(request, withQuery(PATH, { ...listQuery(options), status: options.status }), options, paymentsOf)

  return {
    async create(input, options = {}) {
      const { key = newKey(), signal, deadlineMs } = options
      const { amount, currency, description, payment_method, metadata, ...rest } = input
      // Always in this order, and metadata sorted: the same payment sent again with its key must have the same bytes.
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

/** Members that a later service adds are passed on. */
function isPayment(value: unknown): value is Payment {
  if (!isObject(value) || typeof value.amount !== 'number') return false
  if (!STATUSES.some((status) => status === value.status)) return false
  return hasTexts(value, 'transaction_id', 'currency', 'payment_method', 'created_at')
}
