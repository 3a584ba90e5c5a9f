import { keyReused, type ServiceError } from '../core/service-error.ts'
import type { EngineOptions, HandlerResult, HeldKey, KeyEngine, Outcome } from './engine.ts'
import { inProgress, refusal } from './refusal.ts'
import { nameOf, type ReplayCache } from './replay-cache.ts'
import type { Claim, IdempotencyStore, KeyId, StoredResponse } from './store.ts'

export interface RowEngineOptions {
  /** Runs what ends without a row, with the key claimed; its store is one of `behindRows`. */
  claiming: KeyEngine
  replays: ReplayCache
  onOutcome?: (outcome: Outcome) => void
  /** How long a copy waits for the request that is in flight before it is told to come again. */
  waitMs?: number
}

/** Short beside the deadline of the statement that may follow it. */
const WAIT_MS = 1_000

/**
 * Runs handlers whose own row is the record of the key: one statement of theirs decides, stores and reads the response,
 * so that nothing is claimed before it and nothing completed after it. Two copies on one node run one after the other, on
 * two nodes the row decides. What a handler ends without a row (400, 415, 422, or a record in the way) is decided again
 * under a claim: only there a response that has no row can be stored.
 */
export class RowEngine implements KeyEngine {
  readonly #options: RowEngineOptions
  /** Fingerprints by the names of the keys in flight. Nothing of a request is held here. */
  readonly #inFlight = new Map<string, string>()
  /** Only where there are copies. */
  readonly #waiting = new Map<string, (() => void)[]>()

  constructor(options: RowEngineOptions) {
    this.#options = options
  }

  async run(
    id: KeyId,
    fingerprint: string,
    handle: (holding: HeldKey) => Promise<HandlerResult>,
  ): Promise<{ response: StoredResponse; replayed: boolean }> {
    const { claiming, replays, onOutcome } = this.#options
    const name = nameOf(id)
    if (this.#inFlight.has(name)) await this.#turn(name, fingerprint)
    const kept = replays.find(id, fingerprint)
    if (kept?.outcome === 'replay') {
      onOutcome?.('replay')
      return { response: kept.response, replayed: true }
    }
    if (kept?.outcome === 'mismatch') throw this.#refused('mismatch', refusal(kept, fingerprint))
    this.#inFlight.set(name, fingerprint)
    try {
      const handled = await handle(NOT_CLAIMED)
      if (handled.row === undefined && isRefusal(handled)) return await claiming.run(id, fingerprint, handle)
      if (typeof handled.row === 'object') {
        onOutcome?.('mismatch')
        replays.keepFingerprint(id, handled.row.mismatch)
      } else if (handled.outcome === 'completed') onOutcome?.(handled.replayed ? 'replay' : 'fresh')
      if (handled.replayed) replays.keep(id, fingerprint, handled.response)
      return handled
    } finally {
      this.#inFlight.delete(name)
      if (this.#waiting.size > 0) this.#wake(name)
    }
  }

  /** Resolves when no copy of the request is in flight any more. */
  async #turn(name: string, fingerprint: string): Promise<void> {
    const { waitMs = WAIT_MS } = this.#options
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      this.#wake(name)
    }, waitMs)
    try {
      for (;;) {
        const first = this.#inFlight.get(name)
        if (first === undefined) return
        if (first !== fingerprint) throw this.#refused('mismatch', keyReused())
        if (isLate) throw this.#refused('in_progress', inProgress())
        await this.#end(name)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  #end(name: string): Promise<void> {
    return new Promise((resolve) => {
      const others = this.#waiting.get(name)
      if (others === undefined) this.#waiting.set(name, [resolve])
      else others.push(resolve)
    })
  }

  #wake(name: string): void {
    const all = this.#waiting.get(name) ?? []
    this.#waiting.delete(name)
    for (const wake of all) wake()
  }

  #refused(outcome: Outcome, error: ServiceError): ServiceError {
    this.#options.onOutcome?.(outcome)
    return error
  }
}

/** A 5xx is no refusal of the request: nothing is known of the key, or the database is away. */
function isRefusal({ outcome, response }: HandlerResult): boolean {
  return typeof outcome === 'string' && response.status < 500
}

const NOT_CLAIMED: HeldKey = {
  attempt: 0,
  signal: new AbortController().signal,
  dispatched: () => Promise.resolve(),
}

/** The claim that a row under the key stands for; undefined: there is none. */
export type RowOf = (id: KeyId, fingerprint: string) => Promise<Claim | undefined>

/**
 * The same store for keys whose responses are in rows, except for those that have none. A claim gives way to a row:
 * `rowOf` is asked once the key is claimed, since from then on no other request can write one. `onVerb` is told of the release of
 * that claim, which the engine does not see.
 */
export function behindRows(
  store: IdempotencyStore,
  rowOf: RowOf,
  onVerb?: EngineOptions['onVerb'],
): IdempotencyStore {
  return {
    async claim(id, fingerprint, token, leaseMs) {
      const claim = await store.claim(id, fingerprint, token, leaseMs)
      if (claim.outcome !== 'acquired') return claim
      const row = await rowOf(id, fingerprint)
      if (row === undefined) return claim
      const startedMs = performance.now()
      const done = () => onVerb?.('release', (performance.now() - startedMs) / 1000)
      await store.release(id, token, 'not_executed').finally(done)
      return row
    },
    dispatch: (id, token) => store.dispatch(id, token),
    renew: (id, token, leaseMs) => store.renew(id, token, leaseMs),
    complete: (id, token, response) => store.complete(id, token, response),
    release: (id, token, outcome) => store.release(id, token, outcome),
    resolve: (id, held, outcome, resolver) => store.resolve(id, held, outcome, resolver),
  }
}
