/*
 * Glossary
 *   key          what a partner calls a request by; it belongs to (client, method, route)
 *   fingerprint  SHA-256 over method, request target and body: which request the key stands for
 *   claim        the atomic step that takes a key or tells what stands in the way
 *   lease        how long a claim holds without being renewed; the heartbeat renews it
 *   token        128 random bits that name one claim; every later verb must show it (fencing)
 *   attempt      how often the key has been claimed: more than 1 means that a holder let its lease run out
 *   takeover     claiming a key whose lease ran out; the handler then looks for what was left behind
 *   replay       the stored answer again, byte for byte
 */
import { randomBytes } from 'node:crypto'
import { keyReused, ServiceError } from '../service-error.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Answer, Claim, IdempotencyStore, KeyId } from './store.ts'

export type Outcome = 'fresh' | 'replay' | 'in_progress' | 'mismatch' | 'outcome_unknown' | 'takeover'

/** What a handler came back with, and what that means for the key. */
export interface Handled {
  answer: Answer
  /** 'answer': store and replay it. 'nothing happened': free the key. 'unknown': nobody may run it blindly again. */
  effect: 'answer' | 'nothing happened' | 'unknown'
  /** The answer is that of an earlier attempt. */
  replayed: boolean
}

export interface Holding {
  attempt: number
  readonly signal: AbortSignal
}

export interface EngineOptions {
  store: IdempotencyStore
  leaseMs: number
  maxAgeMs: number
  /**
   * What an unknown outcome does to the key. 'takeover': the next retry runs the handler again with `attempt` > 1,
   * for handlers that can find out what happened. 'hold': it stays held until somebody resolves it.
   */
  onUnknown: 'takeover' | 'hold'
  now?: () => number
  onOutcome?: (outcome: Outcome) => void
  /** A verb after the handler failed or came too late: nothing is lost by it, but somebody should know. */
  onTrouble?: (verb: string, id: KeyId, reason: unknown) => void
}

/** A holder is mostly done within a second; one that died is noticed when its lease runs out. */
const RETRY_SOON_MS = 1_000
const AGAIN_EVERY_MS = 1_000
/** Verbs that wait for a store that is away. Beyond it keys are left to their leases: memory must not grow. */
const MAX_WAITING = 10_000

/** Runs a handler once for each key. It knows nothing of HTTP but the shape of an answer. */
export class IdempotencyEngine {
  readonly #options: EngineOptions
  readonly #now: () => number
  #waiting = 0

  constructor(options: EngineOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /**
   * Claims the key and runs `handle`, or returns the stored answer. Rejects with ServiceError
   * `idempotency_key_reused`, `request_in_progress`, `outcome_unknown` or `store_unavailable`; in all of these
   * cases `handle` was not called. What `handle` throws is a defect: its effect counts as unknown.
   */
  async run(
    id: KeyId,
    fingerprint: string,
    handle: (holding: Holding) => Promise<Handled>,
  ): Promise<{ answer: Answer; replayed: boolean }> {
    const { store, leaseMs, maxAgeMs, onOutcome } = this.#options
    const token = randomBytes(16).toString('hex')
    const claim = await this.#claim(id, fingerprint, token)
    if (claim.outcome !== 'acquired') {
      onOutcome?.(claim.outcome === 'unknown' ? 'outcome_unknown' : claim.outcome)
      if (claim.outcome === 'replay') return { answer: claim.answer, replayed: true }
      throw refusal(claim)
    }

    const heartbeat = new Heartbeat({
      renew: () => store.renew(id, token, leaseMs),
      leaseMs,
      maxAgeMs,
      now: this.#now,
    })
    const holding: Holding = {
      attempt: claim.attempt,
      get signal() {
        return heartbeat.signal
      },
    }
    try {
      const handled = await handle(holding)
      heartbeat.stop()
      onOutcome?.(handled.replayed ? 'replay' : claim.attempt > 1 ? 'takeover' : 'fresh')
      await this.#settle(id, token, handled)
      return { answer: handled.answer, replayed: handled.replayed }
    } catch (error) {
      heartbeat.stop()
      await this.#settle(id, token, { effect: 'unknown' })
      throw error
    }
  }

  /** A claim whose reply was lost is asked again with the same token, which gives the same answer. */
  async #claim(id: KeyId, fingerprint: string, token: string): Promise<Claim> {
    const { store, leaseMs } = this.#options
    const ask = () => store.claim(id, fingerprint, token, leaseMs)
    try {
      return await ask()
    } catch (error) {
      if (!mayHaveHappened(error)) throw error
    }
    try {
      return await ask()
    } catch (error) {
      // The store may hold the key, now or later, for a request that is refused: let go of it when it is back.
      this.#again(() => store.release(id, token, 'nothing happened'))
      throw error
    }
  }

  /** Never throws: the handler has done its work and its answer goes out, whatever becomes of the record. */
  async #settle(id: KeyId, token: string, handled: Handled | { effect: 'unknown' }): Promise<void> {
    const { store, onUnknown, onTrouble } = this.#options
    const [verb, call] = ((): [string, () => Promise<boolean>] => {
      if (handled.effect === 'answer') return ['complete', () => store.complete(id, token, handled.answer)]
      if (handled.effect === 'nothing happened') {
        return ['release', () => store.release(id, token, 'nothing happened')]
      }
      if (onUnknown === 'hold') return ['release', () => store.release(id, token, 'unknown')]
      // A lease that ends now: the retry takes over at once instead of waiting for it to run out.
      return ['renew', () => store.renew(id, token, 0)]
    })()
    try {
      if (!(await call())) onTrouble?.(verb, id, 'another attempt has taken the key over')
    } catch (error) {
      onTrouble?.(verb, id, error)
      this.#again(call)
    }
  }

  /**
   * Tries a verb that the store did not answer again in the background: while the store is away, and then for one
   * lease, since a claim that hung in a connection may be made only when the store goes on.
   */
  #again(call: () => Promise<boolean>): void {
    if (this.#waiting >= MAX_WAITING) return
    this.#waiting++
    let untilMs: number | undefined
    const attempt = async () => {
      const answer = await call().catch((error: unknown) => (isAway(error) ? 'away' : false))
      if (answer !== 'away') untilMs ??= this.#now() + this.#options.leaseMs
      if (answer === true || (untilMs !== undefined && this.#now() >= untilMs)) this.#waiting--
      else schedule()
    }
    const schedule = () => setTimeout(() => void attempt(), AGAIN_EVERY_MS).unref()
    schedule()
  }
}

function isAway(error: unknown): boolean {
  return error instanceof ServiceError && error.code === 'store_unavailable'
}

function mayHaveHappened(error: unknown): boolean {
  return error instanceof ServiceError && error.effect === 'unknown'
}

function refusal(claim: Exclude<Claim, { outcome: 'acquired' | 'replay' }>): ServiceError {
  switch (claim.outcome) {
    case 'mismatch':
      return keyReused()
    case 'in_progress':
      return new ServiceError(
        'request_in_progress',
        'The first request with this key is still under way. Try again with the same key.',
        { retryAfterMs: Math.max(1, Math.min(claim.retryAfterMs, RETRY_SOON_MS)) },
      )
    case 'unknown':
      return new ServiceError(
        'outcome_unknown',
        'It is not known whether the request with this key took effect. It is not run again until that is known.',
      )
  }
}
