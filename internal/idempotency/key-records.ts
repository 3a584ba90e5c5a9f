import { z } from 'zod'
import type { IdempotencyStore, KeyId, Resolver, StoredResponse, UnknownReason } from './store.ts'

/** `unknown` includes a request that was dispatched and whose lease has run out. */
export const KEY_STATES = ['in_progress', 'completed', 'unknown'] as const
export type KeyState = (typeof KEY_STATES)[number]

/** What the record of a key says, for an operator. Never the body, nor the fingerprint. */
export interface KeyRecord {
  id: KeyId
  state: KeyState
  attempt: number
  /** Names this state of the record: what `resolve` compares with. Not to be shown: who has it can complete the key. */
  held: string
  /** Of an unknown outcome. */
  reason: UnknownReason | undefined
  /** Since it was dispatched, or became unknown; undefined where it was neither. */
  sinceMs: number | undefined
  /** Of a request in flight: until its lease ends, unless it is renewed. */
  leaseMs: number | undefined
  /** Until the record is forgotten; undefined: never. */
  expiresMs: number | undefined
  /** Of a completed request. */
  status: number | undefined
  /** Who said what the response was; undefined: the one who made it. */
  resolvedBy: string | undefined
}

export interface KeyFilter {
  state?: KeyState | undefined
  client?: string | undefined
}

/** An entry of the audit trail about a key whose outcome was unknown. */
export interface Resolution {
  client: string
  /** ISO 8601, UTC. */
  at: string
  event: ResolutionEvent
  /** The operator, or `lookup`. */
  by: string
  scope: string
  key: string
  /** Of the response that is replayed since. */
  status?: number | undefined
  reason?: string | undefined
}

/** A response of another system, for the key under which it was asked. */
export interface ImportedKey {
  id: KeyId
  /** 64 hex digits. */
  fingerprint: string
  response: StoredResponse
  /** Until it is replayed, in ms since 1970; undefined: as long as a response that is stored now. */
  expiresAtMs: number | undefined
}

export interface ImportOptions {
  /** Who imports; the record keeps it as `resolvedBy`. */
  by: string
  /** Only reports what would become of each. */
  dryRun: boolean
}

/**
 * 'same': the record is there already, with this response for this request. 'other': the key has another record, which
 * stays. 'expired': by the clock of the store its time is over.
 */
export type ImportOutcome = 'imported' | 'same' | 'other' | 'expired'

export function parseImportOutcome(text: unknown): ImportOutcome {
  if (text === 'imported' || text === 'same' || text === 'other' || text === 'expired') return text
  throw new Error(`an import that ended with ${String(text)}`)
}

/** What operators do with keys: apart from the store, since each of these looks at many records or changes the truth. */
export interface KeyRecords {
  /** Read in bounded steps while it is consumed, in no particular order; rejects with `store_unavailable`. */
  list(filter: KeyFilter): AsyncIterable<KeyRecord>
  show(id: KeyId): Promise<KeyRecord | undefined>
  /** What is replayed; undefined: the key is not completed, or not there. */
  response(id: KeyId): Promise<StoredResponse | undefined>
  /** As in IdempotencyStore: compares with what was shown. */
  resolve: IdempotencyStore['resolve']
  /**
   * Stores responses that another system has given, each in one atomic step, and never changes a record that is there.
   * The outcomes are in the order of `keys`, in which no id is twice. Rejects with `store_unavailable`; then some of them
   * may be stored, and the same call again is safe.
   */
  importAll(keys: readonly ImportedKey[], how: ImportOptions): Promise<ImportOutcome[]>
  /** What was resolved and released so far, oldest first for each client. */
  log(client: string | undefined): AsyncIterable<Resolution>
}

export type ResolutionEvent = 'key.resolved' | 'key.released'

/** What is written into the audit trail, as the JSON of one entry. */
export function resolutionEntry(
  id: KeyId,
  outcome: StoredResponse | 'not_executed',
  { by, reason }: Resolver,
): { event: ResolutionEvent; entry: string } {
  const { scope, key } = id
  if (outcome === 'not_executed') {
    return { event: 'key.released', entry: JSON.stringify({ operator: by, reason, scope, key }) }
  }
  const entry = { operator: by, reason, scope, key, status: outcome.status }
  return { event: 'key.resolved', entry: JSON.stringify(entry) }
}

const ENTRY = z.object({
  operator: z.string(),
  scope: z.string(),
  key: z.string(),
  status: z.number().optional(),
  reason: z.string().optional(),
})

/** Throws a plain Error when it is not what `resolutionEntry` wrote. */
export function parseResolution(client: string, at: Date, event: string, entry: string): Resolution {
  const { operator: by, ...rest } = ENTRY.parse(JSON.parse(entry))
  return { client, at: at.toISOString(), event: parseEvent(event), by, ...rest }
}

function parseEvent(text: string): ResolutionEvent {
  if (text === 'key.resolved' || text === 'key.released') return text
  throw new Error(`${text} is no event about a key`)
}

export function parseState(text: string): KeyState {
  const state = KEY_STATES.find((one) => one === text)
  if (state === undefined) throw new Error(`a record in the state ${text}`)
  return state
}
