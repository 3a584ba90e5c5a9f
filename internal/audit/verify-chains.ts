import type { Database } from '../database/database.ts'
import { ChainCheck, type ChainEntry, type Fault, type Head } from './chain.ts'
import { chainEnds, chainEntries } from './read-chains.ts'

/** The result for the chain of one client. */
export interface ChainReport {
  client: string
  /** The number of the first entry: 1, except in an export that begins later. */
  from: number
  /** Entries found sound, up to the first broken place. */
  entries: number
  /** The last of them. */
  head: Head
  fault: Fault | null
}

/** Heads noted by an operator, by client. */
export type NotedHeads = ReadonlyMap<string, readonly Head[]>

export interface VerifyOptions {
  noted: NotedHeads
  /** Called after each entry. */
  onEntry?: () => void
}

/** Recomputes the chains of the database up to their ends of now. Missing clients with a noted head are reported too. */
export async function* verifyDatabase(
  database: Database,
  options: VerifyOptions & { client?: string | undefined },
): AsyncGenerator<ChainReport> {
  const seen = new Set<string>()
  for await (const { client, head, last } of chainEnds(database, options.client)) {
    seen.add(client)
    const check = new ChainCheck(options.noted.get(client) ?? [])
    const to = Math.max(last, head?.seq ?? 0)
    // From below the first, to find foreign entries 0 or -1.
    const entries = chainEntries(database, client, Number.MIN_SAFE_INTEGER, to)
    yield await follow(client, check, entries, head, options.onEntry)
  }
  yield* unseen(options.noted, seen)
}

/** Clients without entries but with a noted head. */
function* unseen(noted: NotedHeads, seen: ReadonlySet<string>): Generator<ChainReport> {
  for (const [client, heads] of noted) {
    if (seen.has(client)) continue
    const check = new ChainCheck(heads)
    yield { client, from: 1, entries: 0, head: check.head, fault: check.end(null) ?? null }
  }
}

async function follow(
  client: string,
  check: ChainCheck,
  entries: AsyncIterable<ChainEntry>,
  head: Head | null,
  onEntry: (() => void) | undefined,
): Promise<ChainReport> {
  let fault: Fault | undefined
  for await (const entry of entries) {
    fault = check.next(entry)
    if (fault !== undefined) break
    onEntry?.()
  }
  fault ??= check.end(head)
  return { client, from: 1, entries: check.head.seq, head: check.head, fault: fault ?? null }
}

/** An entry of an export. */
export interface ExportedEntry extends ChainEntry {
  previousHash: string
}

/**
 * The same for the entries of an export, which has those of each client together and in order. It does not tell where
 * the chains should end, and may begin in the middle of one: only noted heads tell what is missing at its ends.
 */
export async function* verifyExport(
  entries: AsyncIterable<ExportedEntry>,
  options: VerifyOptions & { client?: string | undefined },
): AsyncGenerator<ChainReport> {
  const seen = new Set<string>()
  let current: ExportedChain | undefined
  for await (const entry of entries) {
    if (options.client !== undefined && entry.client !== options.client) continue
    if (entry.client !== current?.client) {
      if (current !== undefined) yield current.report()
      if (seen.has(entry.client)) throw new Error(`the entries of client ${entry.client} are not together`)
      seen.add(entry.client)
      current = new ExportedChain(entry, options.noted.get(entry.client) ?? [])
    }
    current.next(entry)
    options.onEntry?.()
  }
  if (current !== undefined) yield current.report()
  yield* unseen(options.noted, seen)
}

class ExportedChain {
  readonly client: string
  readonly #from: number
  readonly #check: ChainCheck
  #fault: Fault | undefined

  constructor(first: ExportedEntry, noted: readonly Head[]) {
    this.client = first.client
    this.#from = first.seq
    const start = first.seq > 1 ? { seq: first.seq - 1, hash: first.previousHash } : undefined
    this.#check = new ChainCheck(noted, start)
  }

  next(entry: ExportedEntry): void {
    if (this.#fault !== undefined) return
    const { seq, previousHash } = entry
    if (seq === this.#check.head.seq + 1 && previousHash !== this.#check.head.hash) {
      const detail = `entry ${seq} names another hash for the entry before it`
      this.#fault = { kind: 'changed', seq, detail }
      return
    }
    this.#fault = this.#check.next(entry)
  }

  report(): ChainReport {
    const { head } = this.#check
    const fault = this.#fault ?? this.#check.end(undefined) ?? null
    return { client: this.client, from: this.#from, entries: head.seq - this.#from + 1, head, fault }
  }
}
