import { uuidV7 } from '../core/ids.ts'
import { keyReused, ServiceError } from '../core/service-error.ts'
import { stopwatch } from '../core/stopwatch.ts'
import { storeUnavailable } from '../database/deadline.ts'
import type { Charge, Charged, ChargeResult, FindResult } from './gateway.ts'
import { type GuardedGateway, jitteredRetry, outcomeOf } from './guarded-gateway.ts'
import { gatewayKeyOf, maskPaymentMethod, type Payment, type PaymentTerms } from './payment.ts'
import type { AttemptRef, BeginResult, OpenEnd, PaymentStore, SettledResponse } from './payment-store.ts'
import type { KeyState, PaymentKey, ReadKey } from './read-payments.ts'
import { inProgress, RETRY_SOON_MS, resting, timedOut, unknown } from './refusals.ts'

/** A request for a payment. */
export interface PaymentIntent extends PaymentTerms, PaymentKey {
  requestId: string | undefined
  /** Sent to the gateway with the charge, such as `traceparent`. */
  headers?: Readonly<Record<string, string>>
}

export interface Paid {
  id: string
  response: SettledResponse
  /** It is the stored response of an earlier attempt. */
  replayed: boolean
}

export interface PayOnceOptions {
  readKey: ReadKey
  store: PaymentStore
  gateway: GuardedGateway
  /** The response for a settled payment; the same bytes for the same payment. */
  response: (payment: Payment) => SettledResponse
  now: () => number
  /** Called once for each payment that this process has settled. */
  onSettled?: (payment: Payment) => void
  /** Called when a charge or a lookup failed; for the log. */
  onTrouble?: (trouble: { client: string; id: string; reason: string; cause: unknown }) => void
}

/** A charge may be sent only so long after `sent_at`: other nodes rely on it, also after a stop of this process. */
const LEAVE_WITHIN_MS = 2_000
/** After its timeout, until a charge shows in the lookups of the gateway. */
const SHOW_WITHIN_MS = 3_000

/**
 * So long after `sent_at` a charge that the gateway does not find was not made and will not be made. This trusts the
 * gateway to finish within its timeout and a little more; with a gateway that deduplicates by key nothing depends on it.
 */
export function settleMsOf(gatewayTimeoutMs: number): number {
  return LEAVE_WITHIN_MS + gatewayTimeoutMs + SHOW_WITHIN_MS
}

/** From an attempt that ends with an open outcome to the first lookup of the completer. */
const CHECK_SOON_MS = 1_000

/** Makes each payment once: charges, or looks up the charge of an earlier attempt. */
export function payOnce(options: PayOnceOptions): (intent: PaymentIntent) => Promise<Paid> {
  const { readKey, store, gateway, now, onTrouble } = options
  // Three lookups within a second or so; after that the completer asks.
  const askAgain = jitteredRetry(isOpen, { retries: 2, firstDelayMs: 200, maxDelayMs: 800 })
  const ask = (payment: Payment): Promise<FindResult> =>
    askAgain.execute(() => gateway.find(payment.gatewayKey))

  async function pay(intent: PaymentIntent): Promise<Paid> {
    const restMs = gateway.restMs()
    if (restMs !== undefined) return await withoutGateway(intent, restMs)
    const payment = paymentOf(intent, now())
    const leave = leaveWithin(LEAVE_WITHIN_MS)
    const begun = await store.begin({ payment, fingerprint: intent.fingerprint, requestId: intent.requestId })
    switch (begun.outcome) {
      case 'begun':
        return await orUnknown(first({ intent, payment, attempt: 1 }, leave))
      case 'taken_over': {
        const taken = { ...payment, id: begun.id, createdAt: begun.createdAt }
        return await orUnknown(next({ intent, payment: taken, attempt: begun.attempt }, begun))
      }
      case 'in_progress':
        throw inProgress(Math.min(begun.waitMs, RETRY_SOON_MS))
      case 'settled':
        return replayOf(begun)
      case 'mismatch':
        throw keyReused()
    }
  }

  /** While the circuit breaker is open no payment begins, and a stored response is replayed. */
  async function withoutGateway(intent: PaymentIntent, restMs: number): Promise<Paid> {
    const state = await readKey(intent)
    if (state.outcome === 'mismatch') throw keyReused()
    if (state.outcome === 'settled') return replayOf(state)
    throw resting(restMs, state.outcome === 'open' ? 'unknown' : 'none')
  }

  async function first(work: Work, leave: () => boolean): Promise<Paid> {
    const result = await gateway.charge(chargeOf(work), leaving(work, leave))
    switch (result.outcome) {
      case 'completed':
      case 'declined':
        return await settle(work, result, undefined)
      case 'unsent':
      case 'refused':
      case 'busy':
        return await abandon(work, result)
      default:
        trouble(work, 'a charge got no response', result.cause)
        return await findOut(work, result.outcome)
    }
  }

  /** After a charge that was sent and got no response. */
  async function findOut(work: Work, why: string, state?: OpenEnd['state']): Promise<Paid> {
    const found = await ask(work.payment)
    if (isCharged(found)) return await settle(work, found, 'retry')
    return await giveUp(work, `${why}, then ${found.outcome}`, timedOut(), state)
  }

  async function next(work: Work, begun: BeginResult & { outcome: 'taken_over' }): Promise<Paid> {
    const found = await ask(work.payment)
    if (isCharged(found)) return await settle(work, found, 'retry')
    // It stays unknown over further charges: each payment has the event of it once.
    const state = begun.unknown ? 'unknown' : 'processing'
    if (found.outcome !== 'none') {
      trouble(work, 'a lookup got no response', found.cause)
      return await giveUp(work, `asked: ${found.outcome}`, begun.unknown ? unknown() : timedOut(), state)
    }
    // It is not charged yet. While the earlier charge may be on its way, a new one could be a second one.
    if (begun.waitMs > 0) return await giveUp(work, 'not charged yet', inProgress(begun.waitMs), state)
    const leave = leaveWithin(LEAVE_WITHIN_MS)
    if (!(await store.sendAgain(turnOf(work)))) return await takenFrom(work)
    const result = await gateway.charge(chargeOf(work), leaving(work, leave))
    if (isCharged(result)) return await settle(work, result, undefined)
    trouble(work, 'a charge was not made', 'cause' in result ? result.cause : result.outcome)
    return await findOut(work, result.outcome, state)
  }

  async function settle(work: Work, charged: Charged, by: 'retry' | undefined): Promise<Paid> {
    const payment: Payment = { ...work.payment, state: charged.outcome }
    const response = options.response(payment)
    const settled = await store.settle(turnOf(work), {
      state: charged.outcome,
      chargeId: charged.chargeId,
      response,
      event: by === undefined ? `payment.${charged.outcome}` : 'payment.recovered',
      by,
      reason: undefined,
    })
    if (!settled) return await takenFrom(work)
    options.onSettled?.(payment)
    return { id: payment.id, response, replayed: false }
  }

  /** It is certain that nothing was charged. */
  async function abandon(work: Work, result: NotCharged): Promise<Paid> {
    const reason = result.outcome === 'refused' ? `refused with ${result.status}` : result.outcome
    trouble(
      work,
      `the gateway did not take a charge: ${reason}`,
      'cause' in result ? result.cause : undefined,
    )
    if (!(await store.abandon(turnOf(work), reason))) return await takenFrom(work)
    const restMs = gateway.restMs()
    if (restMs !== undefined) throw resting(restMs, 'none')
    if (result.outcome === 'busy') throw resting(result.retryAfterMs ?? RETRY_SOON_MS, 'none')
    throw new ServiceError(
      'backend_unreachable',
      result.outcome === 'refused'
        ? 'The payment gateway does not take the charge. Nothing was charged.'
        : 'The payment gateway cannot be reached. Nothing was charged.',
      { retryAfterMs: RETRY_SOON_MS, cause: 'cause' in result ? result.cause : undefined },
    )
  }

  async function giveUp(
    work: Work,
    reason: string,
    error: ServiceError,
    state: OpenEnd['state'] = 'processing',
  ): Promise<never> {
    await store.leaveOpen(turnOf(work), { state, checkMs: CHECK_SOON_MS, by: 'retry', reason })
    throw error
  }

  /** Another attempt has taken over and may have settled the payment. */
  async function takenFrom({ intent }: Work): Promise<Paid> {
    const state = await readKey(intent)
    if (state.outcome === 'settled') return replayOf(state)
    throw inProgress(RETRY_SOON_MS)
  }

  const trouble = ({ payment: { client, id } }: Work, reason: string, cause: unknown) =>
    onTrouble?.({ client, id, reason, cause })

  return pay
}

/** Once a payment has begun, its outcome is unknown while the store is unavailable, whatever the effect of the last step. */
async function orUnknown<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'store_unavailable') throw error
    throw storeUnavailable(error, 'unknown')
  }
}

type NotCharged = Exclude<ChargeResult, { outcome: Charged['outcome'] | 'timeout' | 'error' }>

interface Work {
  intent: PaymentIntent
  payment: Payment
  attempt: number
}

function paymentOf(intent: PaymentIntent, nowMs: number): Payment {
  const { client, scope, key, paymentMethod } = intent
  return {
    client,
    scope,
    key,
    id: uuidV7(nowMs),
    state: 'processing',
    amount: intent.amount,
    currency: intent.currency,
    userId: intent.userId,
    description: intent.description,
    metadata: intent.metadata,
    paymentMethod: paymentMethod === undefined ? undefined : maskPaymentMethod(paymentMethod),
    gatewayKey: gatewayKeyOf(client, scope, key),
    createdAt: new Date(nowMs),
  }
}

function chargeOf({ intent, payment }: Work): Charge {
  const { amount, currency, description, metadata, gatewayKey } = payment
  return { key: gatewayKey, amount, currency, description, metadata, paymentMethod: intent.paymentMethod }
}

function leaving({ intent }: Work, mayLeave: () => boolean) {
  return intent.headers === undefined ? { mayLeave } : { mayLeave, headers: intent.headers }
}

function turnOf({ intent, payment, attempt }: Work): AttemptRef {
  return { client: payment.client, id: payment.id, attempt, requestId: intent.requestId }
}

/** True for `ms`. */
function leaveWithin(ms: number): () => boolean {
  const passedMs = stopwatch()
  return () => passedMs() < ms
}

function isCharged<T extends { outcome: string }>(result: T | Charged): result is Charged {
  return result.outcome === 'completed' || result.outcome === 'declined'
}

/** A lookup without a response, or with "no such charge", which may change. */
function isOpen(result: unknown): boolean {
  const outcome = outcomeOf(result)
  return outcome !== undefined && outcome !== 'completed' && outcome !== 'declined'
}

function replayOf({ id, response }: KeyState & { outcome: 'settled' }): Paid {
  return { id, response, replayed: true }
}

/**
 * For a refused body. The refusal is the response unless the key has a payment, whose retries a stored refusal would
 * block. Resolves with the payment, or rejects with `refusal` or the error of the key.
 */
export type KnownPayment = (of: PaymentKey, refusal: unknown) => Promise<Paid>

export function knownPayment(readKey: ReadKey): KnownPayment {
  return async function known(of, refusal) {
    const state = await readKey(of)
    if (state.outcome === 'mismatch') throw keyReused()
    if (state.outcome === 'settled') return replayOf(state)
    throw state.outcome === 'open' ? inProgress(RETRY_SOON_MS) : refusal
  }
}
