import { LRUCache } from 'lru-cache'
import type { Claim, KeyId, StoredResponse } from './store.ts'

export interface ReplayCacheOptions {
  /** How long the store replays a response. */
  ttlMs: number
  /** What the responses kept here may take together. */
  maxBytes?: number
  now?: () => number
}

const MAX_BYTES = 16_777_216
/** Larger ones would push many small ones out. */
const MAX_RESPONSE_BYTES = 65_536
/** Names, fingerprint, headers and what the cache itself needs for a response, roughly. */
const OVERHEAD_BYTES = 700
/**
 * The store does not report for how much longer it replays a response, so a response may be replayed from here for so
 * much longer than it: a hundredth of its time, and never more than this.
 */
const MAX_KEPT_MS = 60_000

interface Kept {
  fingerprint: string
  /** undefined: only the fingerprint is known. */
  replay: Claim | undefined
}

/**
 * The responses that were replayed a moment ago, and the fingerprints of completed requests whose keys were used for
 * other requests. A completed request never changes: neither a retry nor an operator can do that, so that the store need
 * not be asked again.
 */
export class ReplayCache {
  /** undefined: its responses would be forgotten at once. */
  readonly #kept: LRUCache<string, Kept> | undefined

  constructor({ ttlMs, maxBytes = MAX_BYTES, now }: ReplayCacheOptions) {
    const ttl = Math.floor(Math.min(ttlMs / 100, MAX_KEPT_MS))
    if (ttl < 1) return
    // With a resolution it would look at the clock once a millisecond, with a timer of its own.
    const options = { ttl, ttlResolution: 0, maxSize: maxBytes, maxEntrySize: MAX_RESPONSE_BYTES }
    this.#kept = new LRUCache<string, Kept>(now === undefined ? options : { ...options, perf: { now } })
  }

  /** undefined: it is not here, ask the store. */
  find(id: KeyId, fingerprint: string): Claim | undefined {
    const one = this.#kept?.get(nameOf(id))
    if (one === undefined) return undefined
    if (one.fingerprint === fingerprint) return one.replay
    return { outcome: 'mismatch', fingerprint: one.fingerprint }
  }

  keep(id: KeyId, fingerprint: string, response: StoredResponse): void {
    if (this.#kept === undefined) return
    // The driver's bytes may be a piece of a much larger block.
    const body = Buffer.allocUnsafeSlow(response.body.length)
    response.body.copy(body)
    const { status, headers } = response
    const replay: Claim = { outcome: 'replay', response: { status, headers, body } }
    this.#kept.set(nameOf(id), { fingerprint, replay }, { size: body.length + OVERHEAD_BYTES })
  }

  /** The key stands for this completed request. */
  keepFingerprint(id: KeyId, fingerprint: string): void {
    this.#kept?.set(nameOf(id), { fingerprint, replay: undefined }, { size: OVERHEAD_BYTES })
  }
}

/** Clients have no line breaks in their names, nor have scopes: routes, or methods with a path on the wire. */
export function nameOf({ client, scope, key }: KeyId): string {
  return `${client}\n${scope}\n${key}`
}
