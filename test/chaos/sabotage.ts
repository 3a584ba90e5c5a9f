import type { FaultKind, Mode, Store } from './fault-kinds.ts'
import type { Invariant } from './invariants.ts'

/** A change of one file of the product; `find` is there exactly once. */
export interface Patch {
  file: string
  find: string
  replace: string
}

/** A bug to be planted in a copy of the product, and where it shows. */
export interface Sabotage {
  what: string
  patches: readonly Patch[]
  mode: Mode
  store: Store
  faults: readonly FaultKind[]
  /** Where the usual one is too short or too long for the bug to show. */
  ttlMs?: number
  /** In place of the usual window of the limit: a burst must fit into it, also on a busy machine. */
  windowMs?: number
  /** The one that must be violated; others may be, too. */
  invariant: Invariant
}
