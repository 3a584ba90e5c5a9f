import { z } from 'zod'
import { parseBody, withWritten } from '../core/parse-body.ts'
import { NO_CONTROLS } from '../core/portable-pattern.ts'
import { quoted } from '../core/quoted.ts'
import type { JsonBody } from '../core/request-state.ts'
import { isoTime } from '../core/time.ts'
import { amount } from './money.ts'

/** An order as the service keeps it. `amount` is a plain decimal text, exact. */
export interface Order {
  id: string
  userId: string
  item: string
  amount: string
  key: string
  createdAt: Date
}

/**
 * The order as partners see it: `{"id","user_id","item","amount","idempotency_key","created_at"}`. The amount goes
 * in as its decimal text, a JSON number that never was a binary one.
 */
export function orderJson(order: Order): string {
  const { id, userId, item, amount, key, createdAt } = order
  return `{"id":${quoted(id)},"user_id":${quoted(userId)},"item":${quoted(item)},"amount":${amount},"idempotency_key":${quoted(key)},"created_at":"${isoTime(createdAt.getTime())}"}`
}

/** 1 to 255 characters (code points), without control characters and lone surrogates. */
export const name = z
  .string('must be a string')
  .regex(/^[^\p{Cc}\p{Cs}]{1,255}$/u, 'must have 1 to 255 characters, none of them a control character')
  .meta({ minLength: 1, maxLength: 255, pattern: NO_CONTROLS })

export const orderRequest = z.strictObject({ user_id: name, item: name, amount }, 'must be an object')

export type OrderRequest = z.infer<typeof orderRequest>

/** `{"user_id","item","amount"}` and nothing else; `amount` as its exact decimal text. Throws `validation_failed`. */
export function parseOrderRequest(json: JsonBody): OrderRequest {
  return parseBody(orderRequest, withWritten(json, 'amount'), 'order')
}

/** An order with everything that its row keeps: the request that it came from, and its stored response. */
export interface Placement {
  client: string
  order: Order
  /** 64 hex digits. */
  fingerprint: string
  response: { status: number; body: string }
}

/** A request by its key. */
export interface OrderKey {
  client: string
  key: string
  /** 64 hex digits. */
  fingerprint: string
}

export type Placed =
  /** The order is committed, and this is the placement that did it. */
  | { outcome: 'created' }
  /** The key has its order already, from the same request: here is its stored response. */
  | { outcome: 'existing'; id: string; response: { status: number; body: string } }
  /** The key has its order already, from another request, which has this fingerprint. */
  | { outcome: 'mismatch'; fingerprint: string }
  /** The key has no order, but a record of another request or response: see `OrderStoreOptions.recordsOf`. */
  | { outcome: 'recorded' }

export type ExistingOrder = Extract<Placed, { outcome: 'existing' }>
export type Standing = ExistingOrder | Extract<Placed, { outcome: 'mismatch' }>
