import type { GuardedGateway } from './guarded-gateway.ts'
import type { Payment } from './payment.ts'
import type { AttemptRef, PaymentStore, SettledResponse } from './payment-store.ts'
import type { DuePayment, TakeDue } from './read-payments.ts'

export interface CompleterOptions {
  takeDue: (take: TakeDue) => Promise<DuePayment[]>
  store: PaymentStore
  gateway: GuardedGateway
  response: (payment: Payment) => SettledResponse
  /** 0 to less than 1, so that the nodes do not run at the same moment. */
  random: () => number
  onSettled?: (payment: Payment) => void
  onTrouble?: (error: unknown) => void
  everyMs?: number
}

export interface Completer {
  /** Resolves when the round in flight has ended. */
  close(): Promise<void>
}

/** A client whose request was lost should find its payment settled a moment later. */
const EVERY_MS = 1_000
/** Small enough for a round within its lease, and for few held payments when a node dies. */
const BATCH = 16
/** Longer than a lookup and the statement after it; a retry of the client waits for it. */
const LEASE_MS = 8_000
/** Between two lookups of one payment: doubled each time. */
const MIN_CHECK_MS = 1_000
const MAX_CHECK_MS = 600_000
/** By then every gateway has decided and every client has stopped waiting. */
const EXPIRY_MS = 86_400_000
const ROUNDS_IN_A_ROW = 10

/**
 * Settles open payments by lookups and never charges: the full payment method is not stored. After a day without a charge
 * a payment is declined; after a day without a response it is `unknown` and is looked up further.
 */
export function startCompleter(options: CompleterOptions): Completer {
  const { takeDue, store, gateway, random, onTrouble, everyMs = EVERY_MS } = options

  /** Returns how many payments it looked up. */
  const round = async (): Promise<number> => {
    // While the circuit breaker is open every lookup would fail at once.
    if (gateway.restMs() !== undefined) return 0
    const due = await takeDue({ limit: BATCH, leaseMs: LEASE_MS, expiryMs: EXPIRY_MS })
    const done = await Promise.allSettled(due.map((one) => complete(one)))
    for (const one of done) if (one.status === 'rejected') onTrouble?.(one.reason)
    return due.length
  }

  const complete = async ({ payment, attempt, checks, expired }: DuePayment): Promise<void> => {
    const ref: AttemptRef = { client: payment.client, id: payment.id, attempt, requestId: undefined }
    const found = await gateway.find(payment.gatewayKey)
    if (found.outcome === 'completed' || found.outcome === 'declined') {
      await settle(ref, { ...payment, state: found.outcome }, found.chargeId, undefined)
    } else if (found.outcome === 'none' && expired) {
      await settle(ref, { ...payment, state: 'declined' }, undefined, 'expired')
    } else {
      await store.leaveOpen(ref, {
        state: expired || payment.state === 'unknown' ? 'unknown' : 'processing',
        checkMs: pauseMs(checks, random()),
        by: 'completer',
        reason: expired && payment.state !== 'unknown' ? 'no response for a day' : undefined,
      })
    }
  }

  const settle = async (
    ref: AttemptRef,
    payment: Payment & { state: 'completed' | 'declined' },
    chargeId: string | undefined,
    reason: string | undefined,
  ) => {
    const settled = await store.settle(ref, {
      state: payment.state,
      chargeId,
      response: options.response(payment),
      event: 'payment.recovered',
      by: 'completer',
      reason,
    })
    if (settled) options.onSettled?.(payment)
  }

  let closed = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  const run = async () => {
    try {
      for (let n = 0; n < ROUNDS_IN_A_ROW && !closed; n++) if ((await round()) < BATCH) break
    } catch (error) {
      onTrouble?.(error)
    }
    schedule()
  }
  const schedule = () => {
    if (closed) return
    timer = setTimeout(
      () => {
        running = run()
      },
      everyMs * (0.75 + random() / 2),
    )
    timer.unref()
  }
  schedule()

  return {
    async close() {
      closed = true
      clearTimeout(timer)
      await running
    },
  }
}

/** Full jitter between 1 s and the pause before doubled, 10 minutes at most. */
export function pauseMs(checks: number, random: number): number {
  const ceiling = Math.min(MAX_CHECK_MS, MIN_CHECK_MS * 2 ** Math.min(checks, 20))
  return MIN_CHECK_MS + random * (ceiling - MIN_CHECK_MS)
}
