import { z } from 'zod'
import type { Answer, IdempotencyStore, KeyId, Resolver, UnknownReason } from './store.ts'

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
  /** Of a request under way: until its lease ends, unless it is renewed. */
  leaseMs: number | undefined
  /** Until the record is forgotten; undefined: never. */
  expiresMs: number | undefined
  /** Of a completed request. */
  status: number | undefined
  /** Who said what the answer was; undefined: the one who made it. */
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
  /** Of the answer that is replayed since. */
  status?: number | undefined
  reason?: string | undefined
}

/** What operators do with keys: apart from the store, since each of these looks at many records or changes the truth. */
export interface KeyRecords {
  /** Read in bounded steps while it is consumed, in no particular order; rejects with `store_unavailable`. */
  list(filter: KeyFilter): AsyncIterable<KeyRecord>
  show(id: KeyId): Promise<KeyRecord | undefined>
  /** What is replayed; undefined: the key is not completed, or not there. */
  answer(id: KeyId): Promise<Answer | undefined>
  /** As in IdempotencyStore: compares with what was shown. */
  resolve: IdempotencyStore['resolve']
  /** What was resolved and released so far, oldest first for each client. */
  log(client: string | undefined): AsyncIterable<Resolution>
}

export type ResolutionEvent = 'key.resolved' | 'key.released'

/** What is written into the audit trail, as the JSON of one entry. */
export function resolutionEntry(
  id: KeyId,
  outcome: Answer | 'nothing happened',
  { by, reason }: Resolver,
): { event: ResolutionEvent; entry: string } {
  const { scope, key } = id
  if (outcome === 'nothing happened') {
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
