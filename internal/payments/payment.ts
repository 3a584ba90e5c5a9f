import { createHash } from 'node:crypto'
import { quoted } from '../core/quoted.ts'
import { isoTime } from '../core/time.ts'

/** The simple route, whose key is a member of the body and so of the response. */
export const PAY_SCOPE = 'POST /pay'

/** All routes that make payments. */
export const PAYMENT_SCOPES: readonly string[] = ['POST /api/v1/payments', PAY_SCOPE]

export type PaymentState = 'processing' | 'completed' | 'declined' | 'unknown'

/** What the client asks for. It is stored. */
export interface PaymentTerms {
  client: string
  /** Method and route, such as `POST /api/v1/payments`: each route has keys of its own. */
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

/** A payment as it is stored: its payment method is masked. */
export interface Payment extends PaymentTerms {
  /** Its transaction id. */
  id: string
  state: PaymentState
  /** The key of the charge at the gateway. */
  gatewayKey: string
  createdAt: Date
}

/** The last 4 characters of a payment method of 8 or more. The whole of it is neither stored nor logged. */
export function maskPaymentMethod(method: string): string {
  const characters = Array.from(method)
  return characters.length < 8 ? '****' : `****${characters.slice(-4).join('')}`
}

/** The same for every attempt of a payment; it does not reveal the client. No part can contain a line feed. */
export function gatewayKeyOf(client: string, scope: string, key: string): string {
  return createHash('sha256').update(`${client}\n${scope}\n${key}`).digest('hex')
}

/** Without members that have no value. The amount is written as decimal text, never as a binary number. */
export function paymentJson(payment: Payment): string {
  return `{"payment":${paymentObject(payment)}}`
}

/** The same without the outer object, for lists. */
export function paymentObject(payment: Payment): string {
  const members = [
    `"transaction_id":"${payment.id}"`,
    `"status":"${payment.state}"`,
    `"amount":${payment.amount}`,
    ...textMember('currency', payment.currency),
    ...textMember('user_id', payment.userId),
    ...textMember('description', payment.description),
    ...textMember('payment_method', payment.paymentMethod),
    ...(payment.metadata === undefined ? [] : [`"metadata":${payment.metadata}`]),
    ...textMember('idempotency_key', payment.scope === PAY_SCOPE ? payment.key : undefined),
    `"created_at":"${isoTime(payment.createdAt.getTime())}"`,
  ]
  return `{${members.join(',')}}`
}

/** A member of an object in JSON, if there is a value. */
export function textMember(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [`"${name}":${quoted(value)}`]
}
