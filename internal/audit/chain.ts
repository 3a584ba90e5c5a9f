import { createHash } from 'node:crypto'

/** An entry with its place in the chain. The strings are what the hash covers, character for character. */
export interface ChainEntry {
  client: string
  seq: number
  /** RFC 3339, UTC, milliseconds. */
  at: string
  eventType: string
  entry: string
  /** Lowercase hex, as all hashes here. */
  hash: string
}

/** Where a chain ends, or ended when an operator noted it. */
export interface Head {
  seq: number
  hash: string
}

/** The hash before the first entry. */
export const NO_HASH = '0'.repeat(64)

/** The hash of an entry that follows one with the hash `previous`: the same as oncekey_audit() computes in SQL. */
export function entryHash(previous: string, entry: Omit<ChainEntry, 'hash'>): string {
  const { client, seq, at, eventType, entry: text } = entry
  return createHash('sha256')
    .update(Buffer.from(previous, 'hex'))
    .update([client, seq, at, eventType, text].join('\n'))
    .digest('hex')
}

/**
 * changed: an entry is not what was hashed, or not where it was. missing: a gap. inserted: more than there should be.
 * cut_off: the last entries are gone. head: the record of the end was changed or removed. rewritten: sound in itself,
 * but not the chain whose head was written down.
 */
export type FaultKind = 'changed' | 'missing' | 'inserted' | 'cut_off' | 'head' | 'rewritten'

export interface Fault {
  kind: FaultKind
  /** Of the first entry concerned. */
  seq: number
  detail: string
}

/** Checks one chain in the order of its entries, up to the first fault. */
export class ChainCheck {
  readonly #noted: readonly Head[]
  #head: Head

  /** `start`: the entry before the first one that is shown; `noted`: heads of this chain that an operator noted. */
  constructor(noted: readonly Head[], start: Head = { seq: 0, hash: NO_HASH }) {
    this.#noted = noted
    this.#head = start
  }

  /** The last valid entry. */
  get head(): Head {
    return this.#head
  }

  /** undefined: the entry follows the one before it. */
  next(entry: ChainEntry): Fault | undefined {
    const { seq, hash } = entry
    const expected = this.#head.seq + 1
    if (seq > expected) return missing(expected, seq - 1)
    if (seq < expected) return { kind: 'inserted', seq, detail: `there is another entry ${seq}` }
    if (entryHash(this.#head.hash, entry) !== hash) {
      const place = seq === 1 ? 'it is not what was hashed' : `its hash does not follow from entry ${seq - 1}`
      return { kind: 'changed', seq, detail: `entry ${seq} was changed, or is not where it was: ${place}` }
    }
    const other = this.#noted.find((noted) => noted.seq === seq && noted.hash !== hash)
    if (other !== undefined) {
      const detail = `the chain was written anew: entry ${seq} had the hash ${other.hash} when it was noted`
      return { kind: 'rewritten', seq, detail }
    }
    this.#head = { seq, hash }
    return undefined
  }

  /** To be called after the last entry. `recorded`: the head in the database, null without one, undefined if not known. */
  end(recorded: Head | null | undefined): Fault | undefined {
    const { seq, hash } = this.#head
    if (recorded === null && seq > 0)
      return { kind: 'head', seq, detail: 'the record of where the chain ends is gone' }
    if (recorded !== null && recorded !== undefined) {
      if (recorded.seq > seq) return cutOff(seq, recorded.seq, 'the record of its end says')
      if (recorded.seq < seq) {
        const first = recorded.seq + 1
        return { kind: 'inserted', seq: first, detail: `the chain ends at ${recorded.seq}, but goes on` }
      }
      if (recorded.hash !== hash)
        return { kind: 'head', seq, detail: 'the record of where the chain ends has another hash' }
    }
    const later = this.#noted.find((noted) => noted.seq > seq)
    return later === undefined ? undefined : cutOff(seq, later.seq, 'it was noted')
  }
}

function missing(from: number, to: number): Fault {
  const detail = from === to ? `entry ${from} is missing` : `entries ${from} to ${to} are missing`
  return { kind: 'missing', seq: from, detail }
}

function cutOff(last: number, end: number, who: string): Fault {
  const { detail } = missing(last + 1, end)
  return { kind: 'cut_off', seq: last + 1, detail: `${detail} at the end: ${who} that there were ${end}` }
}
