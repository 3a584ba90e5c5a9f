import { keyReused } from '../core/service-error.ts'
import type { Paid, PaymentIntent } from './pay-once.ts'
import type { ReadKey } from './read-payments.ts'
import { inProgress, RETRY_SOON_MS } from './refusals.ts'

export type NamedPayment = Pick<PaymentIntent, 'client' | 'scope' | 'key' | 'fingerprint'>

/**
 * For a body that is refused. The refusal is the response to its key, unless the key, whose record is gone, stands for a
 * payment: recorded, the refusal would stand in the way of that payment's retries. Resolves with the payment, or
 * rejects with `refusal`, `idempotency_key_reused`, `request_in_progress` or `store_unavailable`.
 */
export type KnownPayment = (named: NamedPayment, refusal: unknown) => Promise<Paid>

export function knownPayment(readKey: ReadKey): KnownPayment {
  return async function known(named, refusal) {
    const state = await readKey(named)
    if (state.outcome === 'mismatch') throw keyReused()
    if (state.outcome === 'settled') return { id: state.id, response: state.response, replayed: true }
    throw state.outcome === 'open' ? inProgress(RETRY_SOON_MS) : refusal
  }
}
