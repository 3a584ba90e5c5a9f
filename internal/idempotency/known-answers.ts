import { LRUCache } from 'lru-cache'
import type { Answer, Claim, IdempotencyStore, KeyId } from './store.ts'

interface KnownAnswersOptions {
  /** How long the store replays an answer. */
  ttlMs: number
  /** What the answers kept here may take together. */
  maxBytes?: number
  now?: () => number
}

const MAX_BYTES = 16_777_216
/** Larger ones would push many small ones out. */
const MAX_ANSWER_BYTES = 65_536
/** Names, fingerprint, headers and what the cache itself needs for an answer, roughly. */
const OVERHEAD_BYTES = 700
/**
 * The store does not say for how much longer it replays an answer, so an answer may be replayed from here for so much
 * longer than it: a hundredth of its time, and never more than this.
 */
const MAX_KEPT_MS = 60_000

/**
 * The same store, with the answers that it replayed a moment ago. A finished answer never changes: neither a retry nor
 * an operator can do that, so that whoever knows it need not ask. Everything else is asked.
 */
export function knownAnswers(store: IdempotencyStore, options: KnownAnswersOptions): IdempotencyStore {
  const { ttlMs, maxBytes = MAX_BYTES, now } = options
  const ttl = Math.floor(Math.min(ttlMs / 100, MAX_KEPT_MS))
  // Its answers would be forgotten at once.
  if (ttl < 1) return store
  const known = new LRUCache<string, { fingerprint: string; replay: Claim }>({
    ttl,
    // It would look at the clock once a millisecond, with a timer of its own.
    ttlResolution: 0,
    maxSize: maxBytes,
    maxEntrySize: MAX_ANSWER_BYTES,
    ...(now === undefined ? {} : { perf: { now } }),
  })
  const keep = (id: KeyId, fingerprint: string, answer: Answer) => {
    // The driver's bytes may be a piece of a much larger block.
    const body = Buffer.allocUnsafeSlow(answer.body.length)
    answer.body.copy(body)
    const replay: Claim = { outcome: 'replay', answer: { ...answer, body } }
    known.set(nameOf(id), { fingerprint, replay }, { size: body.length + OVERHEAD_BYTES })
  }
  return {
    claim(id, fingerprint, token, leaseMs) {
      const one = known.get(nameOf(id))
      if (one !== undefined) {
        return Promise.resolve(one.fingerprint === fingerprint ? one.replay : { outcome: 'mismatch' })
      }
      return store.claim(id, fingerprint, token, leaseMs).then((claim) => {
        if (claim.outcome === 'replay') keep(id, fingerprint, claim.answer)
        return claim
      })
    },
    dispatch: (id, token) => store.dispatch(id, token),
    renew: (id, token, leaseMs) => store.renew(id, token, leaseMs),
    complete: (id, token, answer) => store.complete(id, token, answer),
    release: (id, token, outcome, reason) => store.release(id, token, outcome, reason),
    resolve: (id, held, outcome, resolver) => store.resolve(id, held, outcome, resolver),
  }
}

/** Clients have no line breaks in their names, nor have scopes: routes, or methods with a path on the wire. */
function nameOf({ client, scope, key }: KeyId): string {
  return `${client}\n${scope}\n${key}`
}
