import { isDeepStrictEqual } from 'node:util'
import { randomHex } from '../../internal/core/ids.ts'
import {
  type ImportedKey,
  type ImportOutcome,
  type KeyFilter,
  type KeyRecord,
  type KeyRecords,
  parseResolution,
  type Resolution,
  resolutionEntry,
} from '../../internal/idempotency/key-records.ts'
import {
  boundedScope,
  type Claim,
  type IdempotencyStore,
  type KeyId,
  type Resolver,
  type StoredResponse,
  type UnknownReason,
} from '../../internal/idempotency/store.ts'

/** The record of a key. All times are Unix milliseconds on the clock of the model. */
interface Held {
  id: KeyId
  fingerprint: string
  state: 'in_progress' | 'completed' | 'unknown'
  token: string
  attempt: number
  leaseUntilMs: number
  /** Infinity: never forgotten. */
  expiresAtMs: number
  dispatchedAtMs?: number
  unknownAtMs?: number
  reason?: UnknownReason
  response?: StoredResponse
  resolvedBy?: string
}

/**
 * The idempotency store as a map: what the stores on Redis and PostgreSQL promise, and nothing else. It runs the same
 * contract suite as they do. Each verb has done its work when it returns, before it is awaited.
 */
export class ModelKeys {
  readonly #now: () => number
  readonly #records = new Map<string, Held>()
  readonly #log: Resolution[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  /** As a flush, or a failover to a replica that knows nothing. */
  lose(): void {
    this.#records.clear()
  }

  /** Whether the record is one of another request, or of a response. */
  isTaken(id: KeyId, fingerprint: string): boolean {
    const held = this.#find(id)
    return held !== undefined && (held.state !== 'in_progress' || held.fingerprint !== fingerprint)
  }

  store(ttlMs: number): IdempotencyStore {
    return {
      claim: async (id, fingerprint, token, leaseMs) => this.#claim(id, fingerprint, token, leaseMs, ttlMs),
      dispatch: async (id, token) => {
        const held = this.#mine(id, token)
        if (held === undefined) return false
        held.dispatchedAtMs ??= this.#now()
        held.expiresAtMs = Number.POSITIVE_INFINITY
        return true
      },
      renew: async (id, token, leaseMs) => {
        const held = this.#mine(id, token)
        if (held === undefined) return false
        held.leaseUntilMs = this.#now() + leaseMs
        return true
      },
      complete: async (id, token, response) => {
        const held = this.#find(id)
        if (held?.token !== token) return false
        if (held.state === 'completed') return held.resolvedBy === undefined
        if (held.state !== 'in_progress') return false
        this.#answered(held, response, ttlMs)
        return true
      },
      release: async (id, token, outcome) => {
        const held = this.#mine(id, token)
        if (held === undefined) return false
        if (outcome === 'not_executed') {
          this.#records.delete(nameOf(id))
        } else {
          held.state = 'unknown'
          held.reason = outcome.unknown
          held.unknownAtMs = this.#now()
          held.expiresAtMs = Number.POSITIVE_INFINITY
        }
        return true
      },
      resolve: async (id, token, outcome, resolver) => this.#resolve(id, token, outcome, resolver, ttlMs),
    }
  }

  records(ttlMs: number): KeyRecords {
    const { resolve } = this.store(ttlMs)
    return {
      resolve,
      list: (filter) => this.#list(filter),
      show: async (id) => {
        const held = this.#find(id)
        return held === undefined ? undefined : this.#shown(held)
      },
      response: async (id) => this.#find(id)?.response,
      importAll: async (keys, { by, dryRun }) => keys.map((key) => this.#import(key, by, dryRun, ttlMs)),
      log: (client) => this.#logOf(client),
    }
  }

  #import(key: ImportedKey, by: string, dryRun: boolean, ttlMs: number): ImportOutcome {
    const { id, fingerprint, response, expiresAtMs = this.#now() + ttlMs } = key
    const held = this.#find(id)
    if (held !== undefined) {
      const isSame = held.fingerprint === fingerprint && isDeepStrictEqual(held.response, response)
      return isSame ? 'same' : 'other'
    }
    if (expiresAtMs <= this.#now()) return 'expired'
    if (dryRun) return 'imported'
    this.#records.set(nameOf(id), {
      id,
      fingerprint,
      state: 'completed',
      token: randomHex(16),
      attempt: 1,
      leaseUntilMs: this.#now(),
      expiresAtMs,
      response,
      resolvedBy: by,
    })
    return 'imported'
  }

  #find(id: KeyId): Held | undefined {
    const held = this.#records.get(nameOf(id))
    if (held === undefined || held.expiresAtMs > this.#now()) return held
    return held.state === 'in_progress' && held.leaseUntilMs > this.#now() ? held : undefined
  }

  /** In flight, and held under this token. */
  #mine(id: KeyId, token: string): Held | undefined {
    const held = this.#find(id)
    return held?.token === token && held.state === 'in_progress' ? held : undefined
  }

  #claim(id: KeyId, fingerprint: string, token: string, leaseMs: number, ttlMs: number): Claim {
    const now = this.#now()
    const held = this.#find(id)
    const hold = (attempt: number): Claim => {
      const times = { leaseUntilMs: now + leaseMs, expiresAtMs: now + Math.max(ttlMs, leaseMs) }
      this.#records.set(nameOf(id), {
        id,
        fingerprint,
        state: 'in_progress',
        token,
        attempt,
        ...times,
      })
      return { outcome: 'acquired', attempt }
    }
    if (held === undefined) return hold(1)
    if (held.fingerprint !== fingerprint)
      return { outcome: 'mismatch', fingerprint: held.fingerprint, isCompleted: held.state === 'completed' }
    if (held.state === 'completed' && held.response !== undefined)
      return { outcome: 'replay', response: held.response }
    if (held.state === 'in_progress') {
      if (held.token === token) return { outcome: 'acquired', attempt: held.attempt }
      const leftMs = held.leaseUntilMs - now
      if (leftMs > 0) return { outcome: 'in_progress', retryAfterMs: leftMs }
      if (held.dispatchedAtMs === undefined) return hold(held.attempt + 1)
    }
    const since = held.dispatchedAtMs ?? held.unknownAtMs ?? now
    const reason = held.reason ?? 'lease_lost'
    return { outcome: 'unknown', reason, sinceMs: now - since, held: held.token }
  }

  #answered(held: Held, response: StoredResponse, ttlMs: number): void {
    held.state = 'completed'
    held.response = response
    held.expiresAtMs = this.#now() + ttlMs
  }

  #isUnknown(held: Held): boolean {
    if (held.state === 'unknown') return true
    const isOver = held.leaseUntilMs <= this.#now()
    return held.state === 'in_progress' && held.dispatchedAtMs !== undefined && isOver
  }

  #resolve(
    id: KeyId,
    token: string,
    outcome: StoredResponse | 'not_executed',
    resolver: Resolver,
    ttlMs: number,
  ): boolean {
    const held = this.#find(id)
    if (held?.token !== token || !this.#isUnknown(held)) return false
    if (outcome === 'not_executed') this.#records.delete(nameOf(id))
    else {
      this.#answered(held, outcome, ttlMs)
      held.resolvedBy = resolver.by
    }
    const { event, entry } = resolutionEntry(id, outcome, resolver)
    this.#log.push(parseResolution(id.client, new Date(this.#now()), event, entry))
    return true
  }

  #shown(held: Held): KeyRecord {
    const now = this.#now()
    const isUnknown = this.#isUnknown(held)
    const state = isUnknown ? 'unknown' : held.state
    const since = state === 'completed' ? undefined : (held.dispatchedAtMs ?? held.unknownAtMs)
    return {
      id: held.id,
      state,
      attempt: held.attempt,
      held: held.token,
      reason: isUnknown ? (held.reason ?? 'lease_lost') : undefined,
      sinceMs: since === undefined ? undefined : now - since,
      leaseMs: state === 'in_progress' ? Math.max(0, held.leaseUntilMs - now) : undefined,
      expiresMs: Number.isFinite(held.expiresAtMs) ? held.expiresAtMs - now : undefined,
      status: held.response?.status,
      resolvedBy: held.resolvedBy,
    }
  }

  async *#list({ state, client }: KeyFilter): AsyncGenerator<KeyRecord> {
    for (const { id } of [...this.#records.values()]) {
      const held = this.#find(id)
      if (held === undefined || (client !== undefined && id.client !== client)) continue
      const shown = this.#shown(held)
      if (state === undefined || shown.state === state) yield shown
    }
  }

  async *#logOf(client: string | undefined): AsyncGenerator<Resolution> {
    yield* this.#log.filter((entry) => client === undefined || entry.client === client)
  }
}

function nameOf({ client, scope, key }: KeyId): string {
  return JSON.stringify([client, boundedScope(scope), key])
}
