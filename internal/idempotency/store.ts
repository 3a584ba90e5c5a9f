/** Whose key, on which method and route: two clients, or two routes, never see each other's keys. */
export interface KeyId {
  client: string
  /** Method and route pattern, e.g. `POST /orders`. */
  scope: string
  key: string
}

/** What was answered, as it is replayed: byte for byte. */
export interface Answer {
  status: number
  /** Only those that are replayed: `Content-Type` and `Location`. */
  headers: Record<string, string>
  body: Buffer
}

export type Claim =
  /** The key is ours under our token. `attempt` > 1: an earlier holder let its lease run out. */
  | { outcome: 'acquired'; attempt: number }
  | { outcome: 'replay'; answer: Answer }
  /** The key stands for another request. Takes precedence over everything below. */
  | { outcome: 'mismatch' }
  | { outcome: 'in_progress'; retryAfterMs: number }
  /** Held until somebody finds out what happened. */
  | { outcome: 'unknown' }

/**
 * Four verbs, each one atomic step inside the store, on the store's clock. There is no get and no set: whoever
 * reads and then writes has lost. Every verb may be sent twice with the same token and does its work once.
 * Each rejects with ServiceError `store_unavailable` within a deadline when the store is away.
 */
export interface IdempotencyStore {
  /** `token`: 32 hex digits, made by the caller for this one claim. `fingerprint`: 64 hex digits. */
  claim(id: KeyId, fingerprint: string, token: string, leaseMs: number): Promise<Claim>
  /** Lets the lease end `leaseMs` from now. false: the key is no longer ours, stop. */
  renew(id: KeyId, token: string, leaseMs: number): Promise<boolean>
  /** Compare-and-set on the token. false: someone took over, and nothing was recorded. */
  complete(id: KeyId, token: string, answer: Answer): Promise<boolean>
  /** 'nothing happened' frees the key, 'unknown' holds it. false: the key was not ours. */
  release(id: KeyId, token: string, outcome: 'nothing happened' | 'unknown'): Promise<boolean>
}
