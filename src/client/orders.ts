import { type Answer, isObject, parseJson } from './answer.ts'
import { newKey } from './idempotency-key.ts'
import { localProblem, ProblemError, type RateLimitStanding } from './problem-error.ts'
import type { SendRequest } from './request.ts'
import type { Effort, Sent } from './transport.ts'

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

interface About {
  requestId: string | undefined
  rateLimit: RateLimitStanding | undefined
  /** How many attempts it took. */
  attempts: number
}

export interface CreatedOrder extends About {
  order: Order
  key: string
  /** The service had answered this key before, perhaps an earlier attempt of this very call: nothing was done again. */
  replayed: boolean
}

export interface FoundOrder extends About {
  order: Order
}

export interface OrderPage extends About {
  orders: Order[]
  /** Where the next page begins; null: this is the last one. */
  nextCursor: string | null
}

export interface CreateOptions extends Effort {
  /** Your own name for this request, 1 to 255 printable ASCII characters; the same one for the same order. */
  key?: string | undefined
}

export interface PageOptions extends Effort {
  /** Orders a page: 1 to 100; the service's default is 20. */
  limit?: number | undefined
  /** `nextCursor` of an earlier page. */
  cursor?: string | undefined
}

/** All own orders, newest first, read page by page as they are asked for. */
export interface OrderList extends AsyncIterable<Order> {
  pages(): AsyncIterable<OrderPage>
}

export interface Orders {
  /** Places an order once, however often it has to be sent. Rejects with ProblemError. */
  create(input: OrderInput, options?: CreateOptions): Promise<CreatedOrder>
  /** Rejects with ProblemError, code `not_found`, for what is no order of this client. */
  get(id: string, options?: Effort): Promise<FoundOrder>
  page(options?: PageOptions): Promise<OrderPage>
  /** `for await (const order of client.orders.list())`. The deadline is for each page. */
  list(options?: PageOptions): OrderList
}

export function createOrders(request: SendRequest): Orders {
  const read = async <T>(path: string, effort: Effort, parse: (value: unknown) => T | undefined) => {
    const { signal, deadlineMs } = effort
    const sent = await request(path, { signal, deadlineMs })
    return { value: parsed(sent, undefined, parse), about: aboutOf(sent) }
  }
  const page = async (options: PageOptions = {}): Promise<OrderPage> => {
    const query = new URLSearchParams()
    if (options.limit !== undefined) query.set('limit', String(options.limit))
    if (options.cursor !== undefined) query.set('cursor', options.cursor)
    const search = query.toString()
    const { value, about } = await read(search === '' ? 'orders' : `orders?${search}`, options, pageOf)
    return { ...value, ...about }
  }
  async function* pages(options: PageOptions): AsyncGenerator<OrderPage, void, undefined> {
    let { cursor } = options
    for (;;) {
      const one = await page({ ...options, cursor })
      yield one
      if (one.nextCursor === null) return
      cursor = one.nextCursor
    }
  }
  async function* orders(options: PageOptions): AsyncGenerator<Order, void, undefined> {
    for await (const one of pages(options)) yield* one.orders
  }

  return {
    async create(input, options = {}) {
      const { key = newKey(), signal, deadlineMs } = options
      const { user_id, item, amount, ...rest } = input
      // Always in this order: the same order sent again with its key by a program that builds it another way must
      // have the same bytes, or the key would stand for another request.
      const body = JSON.stringify({ user_id, item, amount, ...rest })
      const sent = await request('orders', { method: 'POST', body, key, signal, deadlineMs })
      const order = parsed(sent, key, orderAnswer)
      return { order, key, replayed: sent.replayed, ...aboutOf(sent) }
    },
    async get(id, options = {}) {
      const { value, about } = await read(`orders/${encodeURIComponent(id)}`, options, orderAnswer)
      return { order: value, ...about }
    },
    page,
    list: (options = {}) => ({
      pages: () => pages(options),
      [Symbol.asyncIterator]: () => orders(options),
    }),
  }
}

function aboutOf({ requestId, rateLimit, attempts }: Sent): About {
  return { requestId, rateLimit, attempts }
}

/** `key`: undefined for what was only read. */
function parsed<T>(sent: Sent, key: string | undefined, parse: (value: unknown) => T | undefined): T {
  const value = parse(parseJson(sent.bytes))
  if (value !== undefined) return value
  const effect = key === undefined ? 'none' : 'unknown'
  throw new ProblemError(unexpected(sent), { key, attempts: sent.attempts, effect, gaveUp: 'not retryable' })
}

function unexpected({ status, headers, requestId, rateLimit }: Answer) {
  const type = headers.get('Content-Type') ?? 'no content type'
  const detail = `The answer ${status} (${type}) is not what the service answers: is baseUrl right?`
  return localProblem('unexpected_answer', detail, { status, requestId, rateLimit })
}

function orderAnswer(value: unknown): Order | undefined {
  return isObject(value) ? orderOf(value.order) : undefined
}

function pageOf(value: unknown): { orders: Order[]; nextCursor: string | null } | undefined {
  if (!isObject(value) || !Array.isArray(value.orders)) return undefined
  const nextCursor = value.next_cursor
  const orders = value.orders.flatMap((one: unknown) => orderOf(one) ?? [])
  if (orders.length !== value.orders.length) return undefined
  return typeof nextCursor === 'string' || nextCursor === null ? { orders, nextCursor } : undefined
}

/** Members that a later service adds are passed on. */
function orderOf(value: unknown): Order | undefined {
  return isOrder(value) ? value : undefined
}

function isOrder(value: unknown): value is Order {
  if (!isObject(value) || typeof value.amount !== 'number') return false
  return ['id', 'user_id', 'item', 'idempotency_key', 'created_at'].every(
    (name) => typeof value[name] === 'string',
  )
}
