import { hash } from 'node:crypto'
import type { Database } from '../../internal/database/database.ts'
import type {
  ImportedKey,
  ImportOptions,
  ImportOutcome,
  KeyRecords,
} from '../../internal/idempotency/key-records.ts'
import { describeCause } from '../runtime/underlying-cause.ts'
import { parseImportedLine } from './imported-line.ts'
import { readLines } from './read-lines.ts'
import type { Shown } from './run-verb.ts'
import { takenByRows } from './taken-by-rows.ts'

export interface ImportKeys extends ImportOptions {
  file: string
  isSidecar: boolean
  records: KeyRecords
  /** Where orders and payments are; undefined: there is none, or they are not looked at. */
  database: Database | undefined
}

interface Numbered {
  number: number
  key: ImportedKey
}

/** Of faults and of keys that were left alone; all are counted. */
const SHOWN_LINES = 20
const BATCH_LINES = 200
const BATCH_BYTES = 1_048_576
const PROGRESS_EVERY_MS = 1_000

/** All lines are checked before the first is imported: a file with a fault changes nothing. */
export async function* importKeys(options: ImportKeys): AsyncIterable<Shown> {
  const { file, dryRun } = options
  const { faults, lines } = await check(options)
  for (const fault of faults.slice(0, SHOWN_LINES)) yield { warning: fault, code: 1 }
  if (faults.length > 0) {
    yield {
      warning: `${faults.length} of ${lines} lines of ${file} have a fault: nothing was imported`,
      code: 1,
    }
    return
  }
  const counts: Record<ImportOutcome, number> = { imported: 0, same: 0, other: 0, expired: 0 }
  let done = 0
  let shownMs = performance.now()
  for await (const batch of batches(options)) {
    for (const [i, outcome] of (await importBatch(options, batch)).entries()) {
      counts[outcome]++
      if (outcome === 'other' && counts.other <= SHOWN_LINES)
        yield {
          warning: `${place(options, batch[i])}: the key has a record or an order of its own, which stays`,
        }
    }
    done += batch.length
    if (performance.now() - shownMs < PROGRESS_EVERY_MS) continue
    shownMs = performance.now()
    yield { warning: `${done} of ${lines} lines` }
  }
  const { imported, same, other, expired } = counts
  yield {
    text:
      `${dryRun ? 'to import' : 'imported'} ${imported}, already there ${same}, left alone ${other}, expired ${expired}` +
      `${dryRun ? ': nothing was changed' : ''}\n`,
    json: { dry_run: dryRun, imported, already_there: same, left_alone: other, expired },
    code: other > 0 ? 1 : 0,
  }
}

async function check({ file, isSidecar }: ImportKeys): Promise<{ faults: string[]; lines: number }> {
  const faults: string[] = []
  let lines = 0
  /** Lines by what names their key: a hash of it, since there may be millions. */
  const seen = new Map<string, number>()
  for await (const { number, text } of linesOf(file)) {
    lines++
    try {
      const { client, scope, key } = parseImportedLine(text, isSidecar).id
      const name = hash('md5', `${client}\n${scope}\n${key}`, 'base64')
      const earlier = seen.get(name)
      if (earlier !== undefined) throw new Error(`the key of line ${earlier} again`)
      seen.set(name, number)
    } catch (error) {
      faults.push(`${file}, line ${number}: ${describeCause(error)}`)
    }
  }
  return { faults, lines }
}

async function* linesOf(file: string): ReturnType<typeof readLines> {
  try {
    yield* readLines(file)
  } catch (error) {
    const text = describeCause(error)
    throw text.startsWith(`${file}, line `) ? error : new Error(`${file}: ${text}`)
  }
}

async function* batches({ file, isSidecar }: ImportKeys): AsyncIterable<Numbered[]> {
  let batch: Numbered[] = []
  let bytes = 0
  for await (const { number, text } of linesOf(file)) {
    batch.push({ number, key: parseImportedLine(text, isSidecar) })
    bytes += text.length
    if (batch.length < BATCH_LINES && bytes < BATCH_BYTES) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

async function importBatch(options: ImportKeys, batch: readonly Numbered[]): Promise<ImportOutcome[]> {
  const { records, database } = options
  const keys = batch.map(({ key }) => key)
  try {
    const taken =
      database === undefined
        ? new Set<number>()
        : await takenByRows(
            database,
            keys.map(({ id }) => id),
          )
    const free = await records.importAll(
      keys.filter((_, n) => !taken.has(n)),
      options,
    )
    return keys.map((_, n) => (taken.has(n) ? 'other' : (free.shift() ?? 'other')))
  } catch (error) {
    throw new Error(
      `${place(options, batch[0])}: the store does not respond (${describeCause(error)}). The lines before it are ` +
        'imported; run the same command again',
    )
  }
}

function place({ file }: ImportKeys, line: Numbered | undefined): string {
  return `${file}, line ${line?.number ?? 0}`
}
