import { createHash } from 'node:crypto'
import type { RequestOutcome } from '../core/request-outcome.ts'

/** How long a response is replayed unless a setting says otherwise. */
export const DEFAULT_TTL_MS = 24 * 3_600_000
/** A hundred years: Redis and PostgreSQL can add it to the time of now. */
export const MAX_TTL_MS = 100 * 365 * 86_400_000

/** Whose key, on which method and route: two clients, or two routes, never see each other's keys. */
export interface KeyId {
  client: string
  /** Method and route pattern, e.g. `POST /orders`; for forwarded requests method and path. See `boundedScope`. */
  scope: string
  key: string
}

/** A response as it is replayed: byte for byte. */
export interface StoredResponse {
  status: number
  /** Only those that are replayed; a list for a header that came in several lines. */
  headers: Record<string, string | string[]>
  body: Buffer
}

/** Why the outcome of a request is unknown, or why its response cannot be given again. */
export const UNKNOWN_REASONS = [
  'backend_timeout',
  'connection_lost',
  'answer_truncated',
  'answer_malformed',
  /** These two: it took effect and got a response, but there is nothing to replay. */
  'answer_too_large',
  'answer_streamed',
  'backend_error',
  'max_duration',
  'handler_failed',
  /** The holder stopped renewing: the process died, or the store was away for longer than the lease. */
  'lease_lost',
  'not_told',
] as const
export type UnknownReason = (typeof UNKNOWN_REASONS)[number]

/** A request that was sent, or may have been, and whose outcome is not recorded. */
export interface Unknown {
  reason: UnknownReason
  /** Since it was dispatched; without a dispatch since it became unknown. On the store's clock. */
  sinceMs: number
  /** Names this state of the record: what `resolve` compares with. */
  held: string
}

export type Claim =
  /** The key is ours under our token. `attempt` > 1: an earlier holder let its lease run out. */
  | { outcome: 'acquired'; attempt: number }
  | { outcome: 'replay'; response: StoredResponse }
  /**
   * The key stands for another request. Takes precedence over everything below. `fingerprint` is that of the request it
   * stands for, if it is known. `isCompleted`: that request has its response, so the key stands for it until it expires.
   */
  | { outcome: 'mismatch'; fingerprint: string | undefined; isCompleted?: boolean }
  | { outcome: 'in_progress'; retryAfterMs: number }
  /** Held until an operator or a lookup finds out what happened. */
  | ({ outcome: 'unknown' } & Unknown)

/** Who says what became of an unknown request, and why: goes into the audit trail. */
export interface Resolver {
  /** The name of an operator, or `lookup`. */
  by: string
  reason?: string | undefined
}

/** How an attempt ends that has no response to store. */
export type Released = Exclude<RequestOutcome<UnknownReason>, 'completed'>

/**
 * Six verbs, each one atomic step inside the store, on the store's clock. There is no get and no set: a caller that
 * reads and then writes has lost. Every verb may be sent twice with the same token and does its work once.
 * Each rejects with ServiceError `store_unavailable` within a deadline when the store is away.
 */
export interface IdempotencyStore {
  /** `token`: 32 hex digits, made by the caller for this one claim. `fingerprint`: 64 hex digits. */
  claim(id: KeyId, fingerprint: string, token: string, leaseMs: number): Promise<Claim>
  /**
   * To be called before the first byte leaves for where it takes effect: from now on the outcome is unknown unless
   * it is completed or released. When the lease ends no attempt takes over, and the record no longer expires.
   * false: the key is no longer ours, nothing may be sent.
   */
  dispatch(id: KeyId, token: string): Promise<boolean>
  /** Lets the lease end `leaseMs` from now. false: the key is no longer ours, stop. */
  renew(id: KeyId, token: string, leaseMs: number): Promise<boolean>
  /** Compare-and-set on the token. false: someone took over, or resolved it, and nothing was recorded. */
  complete(id: KeyId, token: string, response: StoredResponse): Promise<boolean>
  /** 'not_executed' frees the key, an unknown outcome holds it without end. false: the key was not ours. */
  release(id: KeyId, token: string, outcome: Released): Promise<boolean>
  /**
   * Says what became of a request whose outcome is unknown, with an audit entry in the same step: its response, which
   * is replayed from now on, or that nothing happened, which frees the key. Compares with `held`, as a claim or
   * `KeyRecords.show` gave it. false: it is not that any more, and nothing was done; claim again to see what is.
   */
  resolve(
    id: KeyId,
    held: string,
    outcome: StoredResponse | 'not_executed',
    resolver: Resolver,
  ): Promise<boolean>
}

const REASONS: ReadonlyMap<unknown, UnknownReason> = new Map(UNKNOWN_REASONS.map((one) => [one, one]))

/** As a store wrote it: '' and what another version knows are 'not_told'. */
export function parseReason(text: string): UnknownReason {
  return REASONS.get(text) ?? 'not_told'
}

/** With the longest key and client far below the 2,704 bytes that an index entry of PostgreSQL may have. */
const MAX_BYTES = 512
const KEPT_CHARACTERS = 100

/**
 * The scope as stores keep it. The path of a forwarded request can have 16 KiB: beyond 512 bytes its beginning and
 * its SHA-256 stand for it. Of a scope that is already so it makes no other, so that operators can copy it.
 */
export function boundedScope(scope: string): string {
  if (scope.length * 3 <= MAX_BYTES || Buffer.byteLength(scope) <= MAX_BYTES) return scope
  const digest = createHash('sha256').update(scope).digest('hex')
  // Through bytes: a character that was cut in half becomes one that every store takes.
  return `${Buffer.from(scope.slice(0, KEPT_CHARACTERS)).toString()}~sha256=${digest}`
}
