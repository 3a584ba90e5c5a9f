import { createHash } from 'node:crypto'

/** The simple route, whose key is a member of the body and so of the response. */
export const PAY_SCOPE = 'POST /pay'

export type PaymentState = 'processing' | 'completed' | 'declined' | 'unknown'

/** What is asked for, and is kept. */
export interface PaymentTerms {
  client: string
  /** Method and route that it came by, e.g. `POST /api/v1/payments`: keys of different routes never meet. */
  scope: string
  key: string
  /** Plain decimal text, exact. */
  amount: string
  currency: string | undefined
  userId: string | undefined
  description: string | undefined
  paymentMethod: string | undefined
  /** A JSON object. */
  metadata: string | undefined
}

/** A payment as the service keeps it: its payment method is masked. */
export interface Payment extends PaymentTerms {
  /** Its transaction id. */
  id: string
  state: PaymentState
  /** What the gateway knows the charge by. */
  gatewayKey: string
  createdAt: Date
}

/**
 * What may be shown of a payment method: its last 4 characters, if those are not most of it. Never the whole: it is
 * neither stored nor logged.
 */
export function maskPaymentMethod(method: string): string {
  const characters = Array.from(method)
  return characters.length < 8 ? '****' : `****${characters.slice(-4).join('')}`
}

/**
 * The key that the gateway sees: the same for every attempt of a payment, and telling nothing of whose it is. None of
 * the three parts can have a line feed in it.
 */
export function gatewayKeyOf(client: string, scope: string, key: string): string {
  return createHash('sha256').update(`${client}\n${scope}\n${key}`).digest('hex')
}

/**
 * The payment as partners see it: `{"payment":{"transaction_id","status","amount",…,"created_at"}}`, without the
 * members that it does not have. The amount goes in as its decimal text, a JSON number that never was a binary one.
 */
export function paymentJson(payment: Payment): string {
  return `{"payment":${paymentObject(payment)}}`
}

/** The payment itself, as lists show it. */
export function paymentObject(payment: Payment): string {
  const text = JSON.stringify
  const members = [
    `"transaction_id":${text(payment.id)}`,
    `"status":${text(payment.state)}`,
    `"amount":${payment.amount}`,
    ...member('currency', payment.currency, text),
    ...member('user_id', payment.userId, text),
    ...member('description', payment.description, text),
    ...member('payment_method', payment.paymentMethod, text),
    ...member('metadata', payment.metadata, (json) => json),
    ...member('idempotency_key', payment.scope === PAY_SCOPE ? payment.key : undefined, text),
    `"created_at":${text(payment.createdAt.toISOString())}`,
  ]
  return `{${members.join(',')}}`
}

function member(name: string, value: string | undefined, write: (value: string) => string): string[] {
  return value === undefined ? [] : [`"${name}":${write(value)}`]
}
