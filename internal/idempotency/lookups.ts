import type { IdempotencyStore, KeyId, StoredResponse, Unknown } from './store.ts'

/**
 * Finds out what became of a request. 'not_executed' lets it run again: it must be certain, also that the request
 * is not still on its way (`sinceMs` tells how long ago it was sent). A response is replayed from then on.
 * What it throws, and silence until the signal is aborted, count as 'unknown'.
 */
export type Lookup = (
  id: KeyId,
  unknown: Pick<Unknown, 'reason' | 'sinceMs'>,
  signal: AbortSignal,
) => Promise<StoredResponse | 'not_executed' | 'unknown'>

export interface LookupsOptions {
  lookup: Lookup
  resolve: IdempotencyStore['resolve']
  now: () => number
  onTrouble: (id: KeyId, reason: unknown) => void
}

/** A retry should have its response, or 409, within the three seconds that a partner is promised. */
const DEADLINE_MS = 2_000
/** What was unknown a moment ago is not asked again: retries come in herds. */
const AGAIN_AFTER_MS = 1_000
/** Lookups in flight at once: a backend that was down for a minute should not meet a thousand of them. */
const MAX_IN_FLIGHT = 64
/** Keys whose last lookup is remembered: a few hundred bytes each. */
const MAX_REMEMBERED = 10_000

interface Remembered {
  settled: Promise<boolean>
  /** undefined: in flight. */
  endedMs: number | undefined
}

/** Asks what became of unknown requests and records it: once at a time for each key, and once a second. */
export class Lookups {
  readonly #options: LookupsOptions
  readonly #remembered = new Map<string, Remembered>()
  #inFlight = 0

  constructor(options: LookupsOptions) {
    this.#options = options
  }

  /** true: the record may have changed, claim the key again. Never rejects. */
  settle(id: KeyId, unknown: Unknown): Promise<boolean> {
    const { now } = this.#options
    const name = JSON.stringify([id.client, id.scope, id.key])
    const last = this.#remembered.get(name)
    if (last !== undefined && (last.endedMs === undefined || now() - last.endedMs < AGAIN_AFTER_MS)) {
      return last.settled
    }
    this.#forgetOld()
    if (this.#inFlight >= MAX_IN_FLIGHT || this.#remembered.size >= MAX_REMEMBERED) {
      return Promise.resolve(false)
    }
    const remembered: Remembered = { settled: this.#find(id, unknown), endedMs: undefined }
    this.#remembered.delete(name)
    this.#remembered.set(name, remembered)
    this.#inFlight++
    void remembered.settled.finally(() => {
      this.#inFlight--
      remembered.endedMs = now()
    })
    return remembered.settled
  }

  async #find(id: KeyId, { reason, sinceMs, held }: Unknown): Promise<boolean> {
    const { lookup, resolve, onTrouble } = this.#options
    try {
      const signal = AbortSignal.timeout(DEADLINE_MS)
      const found = await Promise.race([lookup(id, { reason, sinceMs }, signal), silence(signal)])
      if (found === 'unknown') return false
      // false: another node, or an operator, was faster; what was recorded then is the response for all.
      await resolve(id, held, found, { by: 'lookup' })
      return true
    } catch (error) {
      onTrouble(id, error)
      return false
    }
  }

  /** Oldest first, as they were asked. */
  #forgetOld(): void {
    const { now } = this.#options
    for (const [name, { endedMs }] of this.#remembered) {
      if (endedMs === undefined) continue
      if (now() - endedMs < AGAIN_AFTER_MS) return
      this.#remembered.delete(name)
    }
  }
}

function silence(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
