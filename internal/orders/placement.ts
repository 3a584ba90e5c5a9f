import type { Order } from './order.ts'

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
