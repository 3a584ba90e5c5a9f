import { validate } from 'uuid'
import { uuidV7 } from '../core/ids.ts'
import { parseListFilter } from '../core/list-filter.ts'
import { pageJson } from '../core/page-limit.ts'
import { type Attempt, type Middleware, required } from '../core/request-state.ts'
import { keyReused, ServiceError } from '../core/service-error.ts'
import {
  type ExistingOrder,
  type Order,
  type OrderKey,
  type OrderRequest,
  orderJson,
  parseOrderRequest,
} from './order.ts'
import type { OrderStore } from './order-store.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

export interface PlaceOrderOptions {
  orders: OrderStore
  now: () => number
  /** Told once for each order that this process has committed. */
  onPlaced?: () => void
}

/** `POST /orders`: places the order once. Behind idempotency and jsonBody. */
export function placeOrder({ orders, now, onPlaced }: PlaceOrderOptions): Middleware {
  // Not an async function: its frame would live as long as the request.
  return function placeOrder(ctx) {
    const { client } = required(ctx, 'caller', 'verifySignature')
    const attempt = required(ctx, 'attempt', 'idempotency')
    const { key, fingerprint } = attempt
    const json = required(ctx, 'json', 'jsonBody')
    let request: OrderRequest
    try {
      request = parseOrderRequest(json)
    } catch (refusal) {
      return refuse(refusal, attempt, { client, key, fingerprint })
    }
    const createdMs = now()
    const order: Order = {
      id: uuidV7(createdMs),
      userId: request.user_id,
      item: request.item,
      amount: request.amount,
      key,
      createdAt: new Date(createdMs),
    }
    const response = { status: 201, body: `{"order":${orderJson(order)}}` }
    return orders.place({ client, order, fingerprint, response }).then((placed) => {
      if (placed.outcome === 'mismatch') attempt.row = { mismatch: placed.fingerprint }
      if (placed.outcome === 'mismatch' || placed.outcome === 'recorded') throw keyReused()
      attempt.row = 'stands'
      if (placed.outcome === 'created') onPlaced?.()
      // An earlier attempt, or one that another node made at the same time, placed it: its response is the response.
      const { id, response: given } = placed.outcome === 'existing' ? placed : { id: order.id, response }
      attempt.replayed = placed.outcome === 'existing'
      ctx.status = given.status
      ctx.res.setHeader('Location', `/orders/${id}`)
      ctx.res.setHeader('Content-Type', JSON_TYPE)
      ctx.body = given.body
    })
  }

  /**
   * It is the response to its key, unless the key, whose record is gone, stands for an order: recorded, the refusal would
   * stand in the way of that order's retries. Without a claim nothing is recorded yet.
   */
  async function refuse(refusal: unknown, { number }: Attempt, of: OrderKey): Promise<never> {
    if (number > 0 && (await orders.standing(of)) !== undefined) throw keyReused()
    throw refusal
  }
}

/** The response that an order's row stands for. */
export function existingOrder({ id, response: { status, body } }: ExistingOrder) {
  return { status, headers: { 'Content-Type': JSON_TYPE, Location: `/orders/${id}` }, body }
}

/** `GET /orders/:id`: own orders only; another client's order is not found. */
export function getOrder(orders: OrderStore): Middleware {
  return async function getOrder(ctx) {
    const { client } = required(ctx, 'caller', 'verifySignature')
    const id = ctx.path.slice(ctx.path.lastIndexOf('/') + 1)
    const order = validate(id) ? await orders.find(client, id) : undefined
    if (order === undefined)
      throw new ServiceError('not_found', 'There is no order with this id among yours.')
    ctx.set('Content-Type', JSON_TYPE)
    ctx.body = `{"order":${orderJson(order)}}`
  }
}

/**
 * `GET /orders?limit=&cursor=&idempotency_key=&created_after=&created_before=`: own orders, newest first:
 * `{"orders":[…],"next_cursor":string|null}`. Orders placed while a client pages never move the later pages.
 */
export function listOrders(orders: OrderStore): Middleware {
  return async function listOrders(ctx) {
    const { client } = required(ctx, 'caller', 'verifySignature')
    const filter = parseListFilter(ctx.query)
    const { limit } = filter
    // One more than asked for tells whether there is another page.
    const found = await orders.list(client, { ...filter, limit: limit + 1 })
    ctx.set('Content-Type', JSON_TYPE)
    ctx.body = pageJson('orders', found, { limit, write: orderJson, cursorOf: ({ id }) => id })
  }
}
