import { createHash } from 'node:crypto'
import { sign } from '../../internal/signature/schemes.ts'
import type { Mode } from './fault-kinds.ts'
import type { RunPlan } from './run-plan.ts'

/** What one request asks for. */
export interface Wanted {
  method: 'POST' | 'GET'
  path: string
  body: string
  value: Record<string, string | number>
}

export type Variant = 'usual' | 'other' | 'invalid' | 'slow' | 'never-ends'

/** How much longer than the sidecar waits a handler that never ends goes on. */
const NEVER_MS = 20_000

export function wanted(plan: RunPlan, n: number, variant: Variant, random: () => number): Wanted {
  // The other body of a key is another request; so is another amount.
  const cents = 100 + n * 2 + (variant === 'other' ? 1 : 0)
  const amount = variant === 'invalid' ? -1 : cents / 100
  // Half of the events are about payments.
  const mode = plan.mode !== 'events' ? plan.mode : n % 2 === 0 ? 'orders' : 'payments'
  switch (mode) {
    case 'orders': {
      const value = { user_id: `user-${n % 7}`, item: `item ${n} \u00e9\u2713`, amount }
      return { method: 'POST', path: '/orders', body: JSON.stringify(value), value }
    }
    case 'payments': {
      const value = { amount, currency: 'EUR' }
      const body = JSON.stringify({ ...value, payment_method: `${plan.methodCanary}-4242` })
      return { method: 'POST', path: '/api/v1/payments', body, value }
    }
    case 'proxy': {
      const value = { amount }
      return { method: 'POST', path: backendPath(variant, random), body: JSON.stringify(value), value }
    }
  }
}

function backendPath(variant: Variant, random: () => number): string {
  if (variant === 'never-ends') return `/slow?ms=${NEVER_MS}`
  if (variant === 'slow') return '/slow?ms=2600'
  if (variant !== 'usual') return '/charge'
  const roll = random()
  if (roll < 0.12) return '/slow?ms=400'
  // Longer than a lease: it holds only as long as it is renewed.
  if (roll < 0.17) return '/slow?ms=2600'
  if (roll < 0.21) return '/fail'
  if (roll < 0.23) return '/cut'
  return '/charge'
}

/** A read that is limited like everything else and costs next to nothing. */
export function lookup(plan: RunPlan): Wanted {
  const path = plan.mode === 'payments' ? '/api/v1/payments/none' : '/orders/none'
  return { method: 'GET', path, body: '', value: {} }
}

/** The response that every retry of a key gets from then on. */
export function isFinal(mode: Mode, status: number, code: string): boolean {
  if (mode === 'orders') return status === 201
  if (mode === 'payments') return status === 200 || status === 402
  if (mode === 'events') return status === 201 || status === 200 || status === 402
  return code === '' && status >= 200
}

/** Nothing more comes of it. */
export function isEnd(mode: Mode, status: number, code: string): boolean {
  return isFinal(mode, status, code) || (mode === 'proxy' && code === 'outcome_unknown')
}

export interface Identity {
  name: string
  secret: string
  bearer: boolean
}

export interface SignedHeaders {
  headers: Record<string, string>
  signature: string
}

/** As its client signs it now; `wrong` is what a forger signs in place of what is sent. */
export function signedHeaders(
  { name, secret, bearer }: Identity,
  { method, path, body }: Wanted,
  key: string,
  wrong: { body?: string; skewS?: number; key?: string } = {},
): SignedHeaders {
  const common = {
    ...(body === ''
      ? {}
      : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }),
    ...(key === '' ? {} : { 'Idempotency-Key': key }),
  }
  if (bearer) return { headers: { ...common, Authorization: `Bearer ${secret}` }, signature: '' }
  const timestamp = Math.floor(Date.now() / 1000) + (wrong.skewS ?? 0)
  const signature = sign({
    scheme: 'v1',
    secret,
    method,
    target: path,
    timestamp,
    client: name,
    key: wrong.key ?? key,
    body: wrong.body ?? body,
  })
  return {
    headers: { ...common, 'X-Client-Id': name, 'X-Signature': signature },
    signature: signature.slice(signature.indexOf('v1=') + 3),
  }
}

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}
