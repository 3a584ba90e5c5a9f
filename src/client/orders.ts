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

export interface OrderInput {
  /** 1 to 255 characters, no control characters. */
  user_id: string
  /** 1 to 255 characters, no control characters. */
  item: string
  /** Positive, at most 15 significant digits and 2 decimals. Send a decimal value as text to keep it exact. */
  amount: number | string
}

export interface Order {
  id: string
  user_id: string
  item: string
  /** At most 15 significant digits, which a JavaScript number shows exactly. Sums of such numbers may be inexact. */
  amount: number
  idempotency_key: string
  /** RFC 3339, UTC. */
  created_at: string
}

export interface CreatedOrder extends Created {
  order: Order
}

export interface FoundOrder extends About {
  order: Order
}

export interface OrderPage extends About, Page {
  orders: Order[]
}

export interface CreateOptions extends Effort {
  /** The idempotency key: 1 to 255 printable ASCII characters, the same for every retry of one order. Default: a UUID. */
  key?: string | undefined
}

/** All own orders, newest first; each page is requested when it is needed. */
export type OrderList = Listing<Order, OrderPage>

export interface Orders {
  /** Places an order. Attempts are repeated with the same key, so there is one order. Rejects with ProblemError. */
  create(input: OrderInput, options?: CreateOptions): Promise<CreatedOrder>
  /** Rejects with ProblemError `not_found` if this client has no such order. */
  get(id: string, options?: Effort): Promise<FoundOrder>
  /** The order with this key; undefined if there was none at the time of the response. */
  find(options: FindOptions): Promise<Order | undefined>
  page(options?: ListOptions): Promise<OrderPage>
  /** `for await (const order of client.orders.list())`. The deadline applies to each page. */
  list(options?: ListOptions): OrderList
}

export function createOrders(request: SendRequest): Orders {
  const page = async (options: ListOptions = {}): Promise<OrderPage> =>
    read(request, withQuery('orders', listQuery(options)), options, ordersOf)

  return {
    async create(input, options = {}) {
      const { key = newKey(), signal, deadlineMs } = options
      const { user_id, item, amount, ...rest } = input
      // A fixed order of members: a repeated request with the same key must have the same bytes.
      const body = JSON.stringify({ user_id, item, amount, ...rest })
      const sent = await request('orders', { method: 'POST', body, key, signal, deadlineMs })
      const { order } = parsed(sent, key, orderOf)
      return { order, key, replayed: sent.replayed, ...aboutOf(sent) }
    },
    get: async (id, options = {}) => read(request, `orders/${encodeURIComponent(id)}`, options, orderOf),
    async find(options) {
      const path = withQuery('orders', { idempotency_key: validKey(options.key) })
      const { orders } = await read(request, path, options, ordersOf)
      return orders[0]
    },
    page,
    list: (options = {}) => listing(page, ({ orders }) => orders, options),
  }
}

function orderOf(value: unknown): { order: Order } | undefined {
  return isObject(value) && isOrder(value.order) ? { order: value.order } : undefined
}

function ordersOf(value: unknown): { orders: Order[]; nextCursor: string | null } | undefined {
  const page = pageOf(value, 'orders', isOrder)
  return page && { orders: page.items, nextCursor: page.nextCursor }
}

/** Accepts further members, which a newer service may send. */
function isOrder(value: unknown): value is Order {
  if (!isObject(value) || typeof value.amount !== 'number') return false
  return hasStrings(value, 'id', 'user_id', 'item', 'idempotency_key', 'created_at')
}
