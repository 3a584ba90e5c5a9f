/*
 * Glossary
 *   key          what a partner calls a request by; it belongs to (client, method, route)
 *   fingerprint  SHA-256 over method, request target and body: which request the key stands for
 *   claim        the atomic step that takes a key or tells what stands in the way
 *   lease        how long a claim holds without being renewed; the heartbeat renews it
 *   token        128 random bits that name one claim; every later verb must show it (fencing)
 *   attempt      how often the key has been claimed: more than 1 means that a holder let its lease run out
 *   takeover     claiming a key whose lease ran out; the handler then looks for what was left behind
 *   replay       the stored response again, byte for byte
 *   dispatched   recorded as possibly sent: from then on no attempt takes over, the outcome is the response or unknown
 *   unknown      possibly sent, and its effect is not known; until it is resolved it is not run again
 *   resolve      an operator, or a lookup, says what became of it
 */

import { checkMethod, checkNumber, checkOneOf, MAX_TIMER_MS } from '../core/check-option.ts'
import { randomHex } from '../core/ids.ts'
import type { RequestOutcome } from '../core/request-outcome.ts'
import type { RowOutcome } from '../core/request-state.ts'
import { retryOnceIfUnknown } from '../core/retry-once-if-unknown.ts'
import { ServiceError } from '../core/service-error.ts'
import { stopwatch } from '../core/stopwatch.ts'
import { Heartbeat, type HeartbeatTimes, TAKEN_OVER } from './heartbeat.ts'
import { AGAIN_EVERY_MS, isAway, LateVerbs } from './late-verbs.ts'
import { type Lookup, Lookups } from './lookups.ts'
import { ANSWERED, inProgress, refusal } from './refusal.ts'
import type { ReplayCache } from './replay-cache.ts'
import type {
  Claim,
  IdempotencyStore,
  KeyId,
  Released,
  StoredResponse,
  Unknown,
  UnknownReason,
} from './store.ts'

export const OUTCOMES = ['fresh', 'replay', 'in_progress', 'mismatch', 'outcome_unknown', 'takeover'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** What a handler came back with, and what that means for the key. */
export interface HandlerResult {
  response: StoredResponse
  /** 'answer_too_large' and 'answer_streamed' hold the key for good, whatever `onUnknown` says. */
  outcome: RequestOutcome<UnknownReason>
  /** The response is that of an earlier attempt. */
  replayed: boolean
  /** The handler's own row under the key, where that is the record of the key; undefined: there is none. */
  row?: RowOutcome | undefined
}

/** Runs a handler once for each key. */
export interface KeyEngine {
  /**
   * Runs `handle`, or returns the stored response. Rejects with ServiceError `idempotency_key_reused`,
   * `request_in_progress`, `outcome_unknown` or `store_unavailable`; in all of these cases nothing took effect.
   */
  run(
    id: KeyId,
    fingerprint: string,
    handle: (holding: HeldKey) => Promise<HandlerResult>,
  ): Promise<{ response: StoredResponse; replayed: boolean }>
}

export interface HeldKey {
  /** 0: the key is not claimed, a row of the handler's own is its record. */
  attempt: number
  /** Aborted when the lock is lost or its maximum age is reached. Once dispatched, an outage of the store is neither. */
  readonly signal: AbortSignal
  /**
   * To be awaited before the first byte leaves for where it takes effect, by handlers that cannot find out later what
   * an earlier attempt did. With `onUnknown: 'hold'` it is recorded: whatever happens to this process, no attempt runs the
   * request again. Rejects with ServiceError `request_in_progress` (another attempt has the key) or `store_unavailable`; then
   * nothing may be sent, and the handler should let the error through: the key is freed.
   */
  dispatched(): Promise<void>
}

export interface EngineOptions {
  store: IdempotencyStore
  /** How long a claim holds without being renewed, which happens at a third of it; 30,000 by default. */
  leaseMs?: number
  /** When a handler that goes on is aborted; 600,000 by default. */
  maxAgeMs?: number
  /**
   * What an unknown outcome does to the key. 'takeover': the next retry runs the handler again with `attempt` > 1,
   * for handlers that can find out what happened. 'hold': it stays held until an operator or a lookup resolves it.
   */
  onUnknown: 'takeover' | 'hold'
  /** Asked when a claim finds an unknown outcome: at most once a second for each key, and once at a time. */
  lookup?: Lookup
  /** Milliseconds; never goes back, and is not set forward. `performance.now` by default: the wall clock may be set. */
  now?: () => number
  /** What is known of completed requests decides, and the store is not asked. */
  replays?: ReplayCache
  onOutcome?: (outcome: Outcome) => void
  /** Told how long a verb of the store took, in seconds, whether it succeeded or not. */
  onVerb?: (verb: keyof IdempotencyStore, seconds: number) => void
  /** Called when a store call after the handler fails or comes too late. Safe: the client gets its response. Log it. */
  onTrouble?: (verb: string, id: KeyId, reason: unknown) => void
}

const LEASE_MS = 30_000
const MAX_AGE_MS = 600_000

/** Runs a handler once for each key. It knows nothing of HTTP but the shape of a response. */
export class IdempotencyEngine implements KeyEngine {
  readonly #options: EngineOptions & { leaseMs: number; maxAgeMs: number }
  readonly #now: () => number
  readonly #times: HeartbeatTimes
  readonly #lookups: Lookups | undefined
  readonly #late: LateVerbs

  constructor(options: EngineOptions) {
    this.#options = { leaseMs: LEASE_MS, maxAgeMs: MAX_AGE_MS, ...options }
    const now = options.now ?? (() => performance.now())
    this.#now = now
    const { leaseMs, maxAgeMs } = this.#options
    checkMethod('store', options.store, 'claim')
    checkOneOf('onUnknown', options.onUnknown, ['takeover', 'hold'])
    checkNumber('leaseMs', leaseMs, 1, MAX_TIMER_MS)
    checkNumber('maxAgeMs', maxAgeMs, 1, MAX_TIMER_MS)
    this.#times = { leaseMs, maxAgeMs, now }
    this.#late = new LateVerbs({ leaseMs, now })
    const { lookup, store, onTrouble } = options
    if (lookup !== undefined) {
      const trouble = (id: KeyId, reason: unknown) => onTrouble?.('lookup', id, reason)
      const resolve: IdempotencyStore['resolve'] = (...args) =>
        this.#timed('resolve', () => store.resolve(...args))
      this.#lookups = new Lookups({ lookup, resolve, now, onTrouble: trouble })
    }
  }

  /**
   * Claims the key and runs `handle`, or returns the stored response. Rejects with ServiceError
   * `idempotency_key_reused`, `request_in_progress`, `outcome_unknown` or `store_unavailable`; in all of these
   * cases `handle` was not called. What `handle` throws is a defect: its effect counts as unknown.
   */
  async run(
    id: KeyId,
    fingerprint: string,
    handle: (holding: HeldKey) => Promise<HandlerResult>,
    isLookedUp = false,
  ): Promise<{ response: StoredResponse; replayed: boolean }> {
    const { store, leaseMs, replays, onOutcome } = this.#options
    const token = randomHex(16)
    let claim = replays?.find(id, fingerprint)
    if (claim === undefined) {
      // Each request claims: #timed() would be one more promise and frame.
      const startedMs = performance.now()
      try {
        claim = await store.claim(id, fingerprint, token, leaseMs)
        this.#took('claim', startedMs)
      } catch (error) {
        this.#took('claim', startedMs)
        claim = await this.#claimAgain(id, fingerprint, token, error)
      }
      if (claim.outcome === 'replay') replays?.keep(id, fingerprint, claim.response)
      else if (claim.outcome === 'mismatch' && claim.isCompleted && claim.fingerprint !== undefined)
        replays?.keepFingerprint(id, claim.fingerprint)
    }
    if (claim.outcome !== 'acquired') {
      // What was recorded then decides; it is looked up once.
      if (claim.outcome === 'unknown' && !isLookedUp && (await this.#isSettled(id, claim)))
        return await this.run(id, fingerprint, handle, true)
      onOutcome?.(claim.outcome === 'unknown' ? 'outcome_unknown' : claim.outcome)
      if (claim.outcome === 'replay') return { response: claim.response, replayed: true }
      throw refusal(claim, fingerprint)
    }

    const heartbeat = new Heartbeat(this.#times, () =>
      this.#timed('renew', () => store.renew(id, token, leaseMs)),
    )
    const holding = new LeasedKey(claim.attempt, heartbeat, () => this.#dispatch(id, token, heartbeat))
    let handled: HandlerResult
    try {
      handled = await handle(holding)
    } catch (error) {
      heartbeat.stop()
      const refused = holding.notSent !== undefined && error === holding.notSent
      await this.#settle(id, token, { outcome: refused ? 'not_executed' : { unknown: 'handler_failed' } })
      throw error
    }
    heartbeat.stop()
    onOutcome?.(handled.replayed ? 'replay' : claim.attempt > 1 ? 'takeover' : 'fresh')
    await this.#settle(id, token, handled)
    return handled
  }

  #took(verb: keyof IdempotencyStore, startedMs: number): void {
    this.#options.onVerb?.(verb, (performance.now() - startedMs) / 1000)
  }

  async #timed<T>(verb: keyof IdempotencyStore, call: () => Promise<T>): Promise<T> {
    const startedMs = performance.now()
    try {
      return await call()
    } finally {
      this.#took(verb, startedMs)
    }
  }

  /** Whether it may be recorded now what became of an unknown request. */
  async #isSettled(id: KeyId, unknown: Unknown): Promise<boolean> {
    if (this.#lookups === undefined || ANSWERED.has(unknown.reason)) return false
    return await this.#lookups.settle(id, unknown)
  }

  /** A claim whose reply was lost is asked again with the same token, which gives the same response. */
  async #claimAgain(id: KeyId, fingerprint: string, token: string, failure: unknown): Promise<Claim> {
    if (!mayHaveHappened(failure)) throw failure
    const { store, leaseMs } = this.#options
    try {
      return await this.#timed('claim', () => store.claim(id, fingerprint, token, leaseMs))
    } catch (error) {
      // The store may hold the key, now or later, for a request that is refused: let go of it when it is back.
      this.#late.tryAgain(() => this.#timed('release', () => store.release(id, token, 'not_executed')))
      throw error
    }
  }

  /** Resolves when the handler may send; what it rejects with says that nothing was sent. */
  async #dispatch(id: KeyId, token: string, heartbeat: Heartbeat): Promise<void> {
    const { store, leaseMs, onUnknown } = this.#options
    const { lostBecause } = heartbeat
    if (lostBecause !== undefined) throw notSentInTime(lostBecause)
    if (onUnknown === 'takeover') return
    const sinceAskedMs = stopwatch(this.#now)
    try {
      if (!(await retryOnceIfUnknown(() => this.#timed('dispatch', () => store.dispatch(id, token)))))
        throw inProgress()
    } catch (error) {
      if (!isAway(error)) throw error
      // Whatever the store did, this request has not been sent.
      throw new ServiceError('store_unavailable', error.message, {
        cause: error.cause,
        ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
      })
    }
    // A process that was stopped in between: an operator may have looked, found nothing, and freed the key.
    if (heartbeat.lostBecause !== undefined || sinceAskedMs() >= leaseMs)
      throw notSentInTime(heartbeat.lostBecause)
    heartbeat.outliveOutages()
  }

  /** Never throws: the handler has done its work and its response goes out, whatever becomes of the record. */
  #settle(id: KeyId, token: string, handled: HandlerResult | { outcome: Released }): Promise<void> {
    const { onTrouble } = this.#options
    const [verb, call] = this.#ending(id, token, handled)
    const startedMs = performance.now()
    let told: Promise<boolean>
    try {
      // A store that is no TypeScript may return what is no promise.
      told = Promise.resolve(call())
    } catch (error) {
      told = Promise.reject(error)
    }
    return told.then(
      (isOurs) => {
        this.#took(verb, startedMs)
        if (!isOurs) onTrouble?.(verb, id, TAKEN_OVER)
      },
      (error: unknown) => {
        this.#took(verb, startedMs)
        onTrouble?.(verb, id, error)
        this.#late.tryAgain(() => this.#timed(verb, call))
      },
    )
  }

  #ending(
    id: KeyId,
    token: string,
    handled: HandlerResult | { outcome: Released },
  ): [keyof IdempotencyStore, () => Promise<boolean>] {
    const { store, onUnknown } = this.#options
    const { outcome } = handled
    if ('response' in handled && outcome === 'completed')
      return ['complete', () => store.complete(id, token, handled.response)]
    if (outcome === 'completed') throw new Error('a request without a response cannot be completed')
    if (outcome === 'not_executed' || onUnknown === 'hold' || ANSWERED.has(outcome.unknown))
      return ['release', () => store.release(id, token, outcome)]
    // A lease that ends now: the retry takes over at once instead of waiting for it to run out.
    return ['renew', () => store.renew(id, token, 0)]
  }
}

/**
 * A class, since an object literal with a getter has a hidden class of its own each time it is evaluated: V8 frees those
 * only in full collections, and until then each keeps its request and its response.
 */
class LeasedKey implements HeldKey {
  readonly attempt: number
  readonly #heartbeat: Heartbeat
  readonly #dispatch: () => Promise<void>
  /** Why it could not be dispatched. */
  notSent: unknown

  constructor(attempt: number, heartbeat: Heartbeat, dispatch: () => Promise<void>) {
    this.attempt = attempt
    this.#heartbeat = heartbeat
    this.#dispatch = dispatch
  }

  get signal(): AbortSignal {
    return this.#heartbeat.signal
  }

  async dispatched(): Promise<void> {
    try {
      await this.#dispatch()
    } catch (error) {
      this.notSent = error
      throw error
    }
  }
}

/** The key may be free by now: only a takeover that was reported proves that there is another request. */
function notSentInTime(lostBecause: string | undefined): ServiceError {
  if (lostBecause === TAKEN_OVER) return inProgress()
  const why =
    'The request was held up for longer than its lease, and nothing was sent. Try again with the same key.'
  return new ServiceError('store_unavailable', why, { retryAfterMs: AGAIN_EVERY_MS })
}

function mayHaveHappened(error: unknown): boolean {
  return error instanceof ServiceError && error.effect === 'unknown'
}

/**
 * Runs a handler once for each key, without HTTP.
 *
 * @throws Nothing; `run` rejects with ServiceError `idempotency_key_reused`, `request_in_progress`, `outcome_unknown`
 *   or `store_unavailable`.
 * @example const engine = idempotencyEngine({ store: await openPostgresStore(url), onUnknown: 'hold' })
 */
export function idempotencyEngine(options: EngineOptions): IdempotencyEngine {
  return new IdempotencyEngine(options)
}
