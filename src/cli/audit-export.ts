import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { type ChainEntry, NO_HASH } from '../../internal/audit/chain.ts'
import { chainEnds, chainEntries, firstSince } from '../../internal/audit/read-chains.ts'
import type { ExportedEntry } from '../../internal/audit/verify-chains.ts'
import type { Database } from '../../internal/database/database.ts'
import { describeCause } from '../runtime/underlying-cause.ts'
import { parseJsonLine } from './parse-json-line.ts'

/** Writes the entries as JSON lines, by client and in order. */
export async function exportAudit(
  database: Database,
  client: string | undefined,
  since: Date | undefined,
): Promise<number> {
  for await (const end of chainEnds(database, client)) {
    const from = since === undefined ? 1 : await firstSince(database, end.client, since)
    if (from === undefined) continue
    // From one entry earlier, for its hash.
    let previous: ChainEntry | undefined
    for await (const entry of chainEntries(database, end.client, from - 1, end.last)) {
      if (entry.seq >= from) await print(entry, previous?.hash ?? NO_HASH)
      previous = entry
    }
  }
  return 0
}

async function print(entry: ChainEntry, previousHash: string): Promise<void> {
  const { client, seq, at, eventType: event_type, entry: text, hash } = entry
  const line = JSON.stringify({ client, seq, at, event_type, entry: text, hash, prev_hash: previousHash })
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
}

const HASH = z.string().regex(/^[0-9a-f]{64}$/)
const exported = z.object({
  client: z.string(),
  seq: z.int(),
  at: z.string(),
  event_type: z.string(),
  entry: z.string(),
  hash: HASH,
  prev_hash: HASH,
})

/** The entries of an export; '-' is standard input. Throws an Error that names the first invalid line. */
export async function* readExport(file: string): AsyncGenerator<ExportedEntry> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  if (file !== '-') await once(input, 'open')
  let n = 0
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    n++
    if (line !== '') yield parseLine(line, `${file}, line ${n}`)
  }
}

function parseLine(line: string, place: string): ExportedEntry {
  const { data } = exported.safeParse(jsonOf(line, place))
  if (data === undefined) throw new Error(`${place}: is not an entry of an export`)
  const { event_type: eventType, prev_hash: previousHash, ...rest } = data
  return { ...rest, eventType, previousHash }
}

function jsonOf(line: string, place: string): unknown {
  try {
    return parseJsonLine(line)
  } catch (error) {
    throw new Error(`${place}: is not an entry of an export: ${describeCause(error)}`)
  }
}
