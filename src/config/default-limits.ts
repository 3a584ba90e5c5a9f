/** The limits of each API without RATE_LIMITS; the sidecar has none. */
export const DEFAULT_LIMITS = {
  orders: 'client=10/60s',
  pay: 'global=10/1s:token-bucket:10',
  v1: 'global=1000/60s,client=100/60s,endpoint=10/60s,client=20/1s:token-bucket:50',
} as const

const WHERE = { orders: '/orders', pay: '/pay', v1: '/api/v1' } as const

/** A line for each API. */
export function defaultLimitLines(): string[] {
  return [
    'each API has its own limits:',
    `  ${WHERE.orders}: ${DEFAULT_LIMITS.orders}`,
    `  ${WHERE.pay}: ${DEFAULT_LIMITS.pay}`,
    `  ${WHERE.v1}: ${DEFAULT_LIMITS.v1} (endpoint: POST /api/v1/payments only)`,
  ]
}
