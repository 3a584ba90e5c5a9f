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

export interface OrderInput {
  /** 1 to 255 characters, no control characters. */
  user_id: string
  /** The same. */
  item: string
  /** Positive, at most 15 significant digits and 2 decimals. What is computed exactly is best sent as text. */
  amount: number | string
}

export interface Order {
  id: string
  user_id: string
  item: string
  /** At most 15 significant digits: a JavaScript number shows every one of them. Do not add such numbers up. */
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
  /** Your own name for this request, 1 to 255 printable ASCII characters; the same one for the same order. */
  key?: string | undefined
}

/** All own orders, newest first, read page by page as they are asked for. */
export type OrderList = Listing<Order, OrderPage>

export interface Orders {
  /** Places an order once, however often it has to be sent. Rejects with ProblemError. */
  create(input: OrderInput, options?: CreateOptions): Promise<CreatedOrder>
  /** Rejects with ProblemError, code `not_found`, for what is no order of this client. */
  get(id: string, options?: Effort): Promise<FoundOrder>
  /** The order that was placed under this key; undefined: none was, at the time of the response. */
  find(options: FindOptions): Promise<Order | undefined>
  page(options?: ListOptions): Promise<OrderPage>
  /** `for await (const order of client.orders.list())`. The deadline is for each page. */
  list(options?: ListOptions): OrderList
}

export function createOrders(request: SendRequest): Orders {
  const page = async (options: ListOptions = {}): Promise<OrderPage> =>
    read(request, withQuery('orders', listQuery(options)), options, ordersOf)

  return {
    async create(input, options = {}) {
      const { key = newKey(), signal, deadlineMs } = options
      const { user_id, item, amount, ...rest } = input
      // Always in this order: the same order sent again with its key by a program that builds it another way must
      // have the same bytes, or the key would stand for another request.
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

/** Members that a later service adds are passed on. */
function isOrder(value: unknown): value is Order {
  if (!isObject(value) || typeof value.amount !== 'number') return false
  return hasTexts(value, 'id', 'user_id', 'item', 'idempotency_key', 'created_at')
}
