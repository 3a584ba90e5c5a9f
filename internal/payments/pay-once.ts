import { ExponentialBackoff, fullJitterGenerator, handleWhenResult, retry } from 'cockatiel'
import { keyReused, ServiceError } from '../core/service-error.ts'
import { uuidV7 } from '../core/uuid-v7.ts'
import { storeUnavailable } from '../database/deadline.ts'
import type { Charge, Charged, ChargeResult, FindResult } from './gateway.ts'
import type { GuardedGateway } from './guarded-gateway.ts'
import { gatewayKeyOf, maskPaymentMethod, type Payment, type PaymentTerms } from './payment.ts'
import type { AttemptRef, BeginResult, OpenEnd, PaymentStore, SettledResponse } from './payment-store.ts'
import type { ReadKey } from './read-payments.ts'
import { inProgress, RETRY_SOON_MS, resting, timedOut, unknown } from './refusals.ts'

/** What a request asks for, whatever its route. */
export interface PaymentIntent extends PaymentTerms {
  /** 64 hex digits. */
  fingerprint: string
  requestId: string | undefined
  /** To be sent to the gateway with the charge, such as `traceparent`. */
  headers?: Readonly<Record<string, string>>
}

export interface Paid {
  id: string
  response: SettledResponse
  /** An earlier attempt has settled it: this is its response. */
  replayed: boolean
}

export interface PayOnceOptions {
  readKey: ReadKey
  store: PaymentStore
  gateway: GuardedGateway
  /** The response for a settled payment, whose `state` it is; the same for the same payment, byte for byte. */
  response: (payment: Payment) => SettledResponse
  now: () => number
  /** Told once for each payment that this process has settled. */
  onSettled?: (payment: Payment) => void
  /** Told when the gateway did not do its part; `client`, `id` and the reason are for the log. */
  onTrouble?: (trouble: { client: string; id: string; reason: string; cause: unknown }) => void
}

/**
 * How long after `sent_at` was asked for a charge may leave. A process that was stopped in between, or a connection
 * that took long, must not send when others already count on nothing more leaving.
 */
const LEAVE_WITHIN_MS = 2_000
/** After the last moment in which the gateway may respond, for what it has got to show in its lookups. */
const SHOW_WITHIN_MS = 3_000

/**
 * After this long since `sent_at` a charge that the gateway does not find was not made and will not be. The gateway is
 * trusted to have done what it does by the end of our patience and a little more; for one that deduplicates by key
 * nothing depends on it.
 */
export function settleMsOf(gatewayTimeoutMs: number): number {
  return LEAVE_WITHIN_MS + gatewayTimeoutMs + SHOW_WITHIN_MS
}

/** The gateway is asked at most three times within a second or so, and by the completer after that. */
const ASK_AGAIN = { maxAttempts: 2, firstDelayMs: 200, maxDelayMs: 800 }
/** From the end of an attempt that does not know to the first question of the completer. */
const CHECK_SOON_MS = 1_000

/** Makes each payment once: charges, or finds out what became of the charge of an earlier attempt. */
export function payOnce(options: PayOnceOptions): (intent: PaymentIntent) => Promise<Paid> {
  const { readKey, store, gateway, now, onTrouble } = options
  const askAgain = retry(handleWhenResult(isOpen), {
    maxAttempts: ASK_AGAIN.maxAttempts,
    backoff: new ExponentialBackoff({
      initialDelay: ASK_AGAIN.firstDelayMs,
      maxDelay: ASK_AGAIN.maxDelayMs,
      generator: fullJitterGenerator,
    }),
  })
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
      case 'settled':
        return { id: begun.id, response: begun.response, replayed: true }
      case 'in_progress':
        throw inProgress(Math.min(begun.waitMs, RETRY_SOON_MS))
      case 'mismatch':
        throw keyReused()
    }
  }

  /** While the circuit breaker is open nothing is begun, and a key with a stored response gets it. */
  async function withoutGateway(intent: PaymentIntent, restMs: number): Promise<Paid> {
    const state = await readKey(intent)
    if (state.outcome === 'mismatch') throw keyReused()
    if (state.outcome === 'settled') return { id: state.id, response: state.response, replayed: true }
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
  async function findOut(work: Work, why: string): Promise<Paid> {
    const found = await ask(work.payment)
    if (isCharged(found)) return await settle(work, found, 'retry')
    return await giveUp(work, `${why}, then ${found.outcome}`, timedOut())
  }

  async function next(work: Work, begun: BeginResult & { outcome: 'taken_over' }): Promise<Paid> {
    const found = await ask(work.payment)
    if (isCharged(found)) return await settle(work, found, 'retry')
    const state = begun.unknown ? 'unknown' : 'processing'
    if (found.outcome !== 'none') {
      trouble(work, 'a lookup got no response', found.cause)
      return await giveUp(work, `asked: ${found.outcome}`, begun.unknown ? unknown() : timedOut(), state)
    }
    // It was not charged, yet: as long as the earlier charge may be on its way, a new one could be the second.
    if (begun.waitMs > 0) return await giveUp(work, 'not charged yet', inProgress(begun.waitMs), state)
    const leave = leaveWithin(LEAVE_WITHIN_MS)
    if (!(await store.sendAgain(turnOf(work)))) return await takenFrom(work)
    const result = await gateway.charge(chargeOf(work), leaving(work, leave))
    if (isCharged(result)) return await settle(work, result, undefined)
    trouble(work, 'a charge was not made', 'cause' in result ? result.cause : result.outcome)
    return await findOut(work, result.outcome)
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

  /** Nothing was charged, for certain. */
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

  /** Another attempt has taken over; it may have settled the payment. */
  async function takenFrom({ intent }: Work): Promise<Paid> {
    const state = await readKey(intent)
    if (state.outcome === 'settled') return { id: state.id, response: state.response, replayed: true }
    throw inProgress(RETRY_SOON_MS)
  }

  const trouble = ({ payment: { client, id } }: Work, reason: string, cause: unknown) =>
    onTrouble?.({ client, id, reason, cause })

  return pay
}

/** Once a payment is begun, a store that is away leaves open what happened, even where its last step did not. */
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

/**
 * True for so long from now, by the monotonic clock and by the other one: the first stands still while a machine
 * sleeps, the second may be set back.
 */
function leaveWithin(ms: number): () => boolean {
  const [monotonicMs, wallMs] = [performance.now(), Date.now()]
  return () => performance.now() - monotonicMs < ms && Date.now() - wallMs < ms
}

function isCharged<T extends { outcome: string }>(result: T | Charged): result is Charged {
  return result.outcome === 'completed' || result.outcome === 'declined'
}

/** Of a question: it got no response, or with "no such charge", which may change. */
function isOpen(result: unknown): boolean {
  if (typeof result !== 'object' || result === null || !('outcome' in result)) return false
  return result.outcome !== 'completed' && result.outcome !== 'declined'
}
