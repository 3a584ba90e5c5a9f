/** What each API allows while RATE_LIMITS is not set; the sidecar limits nothing then. */
export const DEFAULT_LIMITS = {
  orders: 'client=10/60s',
  pay: 'global=10/1s:token-bucket:10',
  v1: 'global=1000/60s,client=100/60s,endpoint=10/60s,client=20/1s:token-bucket:50',
} as const

const WHERE = { orders: '/orders', pay: '/pay', v1: '/api/v1' } as const

/** For people: the limits of each API, a line each. */
export function defaultLimitLines(): string[] {
  return [
    'each API has its own limits:',
    `  ${WHERE.orders}: ${DEFAULT_LIMITS.orders}`,
    `  ${WHERE.pay}: ${DEFAULT_LIMITS.pay}`,
    `  ${WHERE.v1}: ${DEFAULT_LIMITS.v1} (endpoint: POST /api/v1/payments only)`,
  ]
}
