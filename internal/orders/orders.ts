import { v7 as uuidv7, validate } from 'uuid'
import { parseLimit } from '../page-limit.ts'
import { randomHex } from '../random-hex.ts'
import { required, type Stage } from '../request-state.ts'
import { keyReused, ServiceError } from '../service-error.ts'
import { parseCursor } from './cursor.ts'
import { type Order, orderJson } from './order.ts'
import { type OrderRequest, parseOrderRequest } from './order-request.ts'
import type { OrderStore } from './order-store.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

export interface PlaceOrderOptions {
  orders: OrderStore
  now: () => number
  /** Told once for each order that this process has committed. */
  onPlaced?: () => void
}

/** `POST /orders`: places the order once. Behind idempotency and jsonBody. */
export function placeOrder({ orders, now, onPlaced }: PlaceOrderOptions): Stage {
  return async function placeOrder(ctx) {
    const { client } = required(ctx, 'caller', 'verifySignature')
    const attempt = required(ctx, 'attempt', 'idempotency')
    const { key, fingerprint } = attempt
    const json = required(ctx, 'json', 'jsonBody')
    let request: OrderRequest
    try {
      request = parseOrderRequest(json)
    } catch (refusal) {
      // It is the answer to its key, unless the key, whose record is gone, stands for an order: recorded, the refusal
      // would stand in the way of that order's retries.
      if ((await orders.standing({ client, key, fingerprint })) !== undefined) throw keyReused()
      throw refusal
    }
    const createdMs = now()
    const order: Order = {
      id: uuidv7({ msecs: createdMs, rng: () => Buffer.from(randomHex(16), 'hex') }),
      userId: request.user_id,
      item: request.item,
      amount: request.amount,
      key: attempt.key,
      createdAt: new Date(createdMs),
    }
    const answer = { status: 201, body: `{"order":${orderJson(order)}}` }
    const placed = await orders.place({ client, order, fingerprint: attempt.fingerprint, answer })
    if (placed.outcome === 'mismatch') throw keyReused()
    if (placed.outcome === 'created') onPlaced?.()
    // An earlier attempt, or one that another node made at the same time, placed it: its answer is the answer.
    const given = placed.outcome === 'existing' ? placed : { id: order.id, answer }
    attempt.replayed = placed.outcome === 'existing'
    ctx.status = given.answer.status
    ctx.res.setHeader('Location', `/orders/${given.id}`)
    ctx.res.setHeader('Content-Type', JSON_TYPE)
    ctx.body = given.answer.body
  }
}

/** `GET /orders/:id`: own orders only; another client's order is not found. */
export function getOrder(orders: OrderStore): Stage {
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
 * `GET /orders?limit=&cursor=`: own orders, newest first: `{"orders":[…],"next_cursor":string|null}`.
 * `limit` 1 to 100, default 20. Orders placed while a partner pages never move the later pages.
 */
export function listOrders(orders: OrderStore): Stage {
  return async function listOrders(ctx) {
    const { client } = required(ctx, 'caller', 'verifySignature')
    const limit = parseLimit(ctx.query.limit)
    const before = parseCursor(ctx.query.cursor)
    // One more than asked for tells whether there is another page.
    const found = await orders.list(client, limit + 1, before)
    const page = found.slice(0, limit)
    const last = page.at(-1)
    const next = found.length > limit && last !== undefined ? JSON.stringify(last.id) : 'null'
    ctx.set('Content-Type', JSON_TYPE)
    ctx.body = `{"orders":[${page.map(orderJson).join(',')}],"next_cursor":${next}}`
  }
}
