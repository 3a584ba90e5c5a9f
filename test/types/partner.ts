/**
 * A partner's program, compiled by the `types` stage and by test/service/client-package.test.ts against the built
 * package, with the types of browsers alone. It is never run: what must not compile is marked @ts-expect-error.
 */
import {
  type AuditEntry,
  type Client,
  createClient,
  type Order,
  type Payment,
  ProblemError,
  type RateLimit,
  type RetryConfig,
} from 'oncekey/client'

const client: Client = createClient({
  baseUrl: new URL('https://orders.example'),
  client: 'acme',
  secret: 'from a safe place',
  retry: { deadlineMs: 30_000 },
  onRetry: ({ key, attempt, delayMs, problem }) => report(`${key} ${attempt} ${delayMs} ${problem.code}`),
})

export async function placeOrder(key: string, signal: AbortSignal): Promise<string> {
  try {
    const { order, replayed, requestId, rateLimit } = await client.orders.create(
      { user_id: 'user-1', item: 'book', amount: '19.90' },
      { key, signal },
    )
    const left: number = rateLimit?.remaining ?? 0
    report(`${replayed ? 'again' : 'first'} ${requestId ?? ''} ${left}`)
    return order.id
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    if (error.code === 'validation_failed') return error.errors.map(({ pointer }) => pointer).join()
    const later: { key: string | undefined; known: boolean } = {
      key: error.key,
      known: error.effect === 'none',
    }
    return JSON.stringify(later)
  }
}

export async function newest(): Promise<Order[]> {
  const all: Order[] = []
  for await (const order of client.orders.list({ limit: 100 })) all.push(order)
  for await (const { orders, nextCursor } of client.orders.list().pages())
    report(`${orders.length} ${nextCursor}`)
  const { order } = await client.orders.get('id')
  const response: Response = await client.signedFetch('/api/v1/rate-limits', {
    headers: { Accept: 'application/json' },
  })
  const bytes: Uint8Array = (await client.request('/api/v1/rate-limits')).bytes
  report(`${response.status} ${bytes.length}`)
  return [...all, order]
}

const payer: Client = createClient({
  baseUrl: 'https://orders.example',
  apiKey: 'from a safe place',
  retry: 'service',
})

export async function pay(key: string): Promise<Payment['status']> {
  const input = { amount: '19.90', currency: 'EUR', payment_method: 'card-1', metadata: { basket: '7' } }
  const { payment, replayed, attempts } = await payer.payments.create(input, { key, deadlineMs: 20_000 })
  const { payment: again } = await payer.payments.get(payment.transaction_id)
  if (payment.status === 'declined') report(`declined ${replayed} ${attempts} ${again.description ?? ''}`)
  return payment.status
}

export async function look(): Promise<[AuditEntry[], RateLimit[], RetryConfig]> {
  const entries: AuditEntry[] = []
  for await (const entry of payer.auditLogs.list({ eventType: 'payment.completed' })) entries.push(entry)
  for await (const { type, data } of payer.events.list({ type: 'payment.completed' }))
    report(`${type} ${JSON.stringify(data)}`)
  const { limits, tightest } = await payer.rateLimits()
  report(tightest ?? 'unlimited')
  return [entries, limits, (await payer.retryConfig()).config]
}

// @ts-expect-error an API key and a secret are two ways to say who calls
export const both = createClient({ baseUrl: 'https://orders.example', apiKey: 'a', secret: 'b' })
// @ts-expect-error a payment has a currency
export const free = payer.payments.create({ amount: 1, payment_method: 'card-1' })
// @ts-expect-error the recommendation has one name
export const often = createClient({ baseUrl: 'https://orders.example', apiKey: 'a', retry: 'often' })
// @ts-expect-error an order has an item
export const incomplete = client.orders.create({ user_id: 'user-1', amount: 1 })
// @ts-expect-error the secret is not optional
export const unsigned = createClient({ baseUrl: 'https://orders.example' })
// @ts-expect-error a stream cannot be signed
export const streamed = client.signedFetch('/orders', { method: 'POST', body: new ReadableStream() })

function report(text: string): void {
  console.log(text)
}
