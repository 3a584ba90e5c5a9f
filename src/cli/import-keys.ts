import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Database } from '../../internal/database/database.ts'
import { batchJson } from '../../internal/database/group-commit.ts'
import type {
  ImportedKey,
  ImportOptions,
  ImportOutcome,
  KeyRecords,
} from '../../internal/idempotency/key-records.ts'
import type { KeyId } from '../../internal/idempotency/store.ts'
import { describeCause } from '../runtime/underlying-cause.ts'
import { routeOf, scopeOf } from '../service/routes.ts'
import { parseImportedLine } from './imported-line.ts'
import type { Shown } from './run-verb.ts'

export interface ImportKeys extends ImportOptions {
  file: string
  isSidecar: boolean
  records: KeyRecords
  /** The database of orders and payments; undefined: none, or for the sidecar. */
  database: Database | undefined
}

interface Numbered {
  number: number
  key: ImportedKey
}

/** Faults and skipped keys that are shown; all are counted. */
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
  /** Lines by the hash of their key: there may be millions. */
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

interface NumberedLine {
  /** 1 for the first. */
  number: number
  text: string
}

const LF = 0x0a

/** The lines of a file that are not empty. Throws a plain Error that names the file, or the line that is not UTF-8. */
async function* linesOf(file: string): AsyncGenerator<NumberedLine> {
  let number = 0
  let rest: Buffer[] = []
  const line = (bytes: Buffer): NumberedLine => {
    number++
    // Decoded as text, invalid bytes would become other characters.
    if (!isUtf8(bytes)) throw new Error(`${file}, line ${number}: is not UTF-8`)
    return { number, text: bytes.toString().trim() }
  }
  const input = createReadStream(file)
  input.on('error', (error) => {
    error.message = `${file}: ${error.message}`
  })
  for await (const chunk of input) {
    let bytes: Buffer = chunk
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF)) {
      const read = line(Buffer.concat([...rest, bytes.subarray(0, end)]))
      rest = []
      bytes = bytes.subarray(end + 1)
      if (read.text !== '') yield read
    }
    if (bytes.length > 0) rest.push(bytes)
  }
  const last = line(Buffer.concat(rest))
  if (last.text !== '') yield last
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
    const ids = keys.map(({ id }) => id)
    const taken = database === undefined ? new Set<number>() : await takenByRows(database, ids)
    const others = keys.filter((_, n) => !taken.has(n))
    const free = await records.importAll(others, options)
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

/** The numbers of those keys that have an order or a payment: an imported response would hide it. */
async function takenByRows(database: Database, ids: readonly KeyId[]): Promise<Set<number>> {
  const orders = scopeOf(routeOf('placeOrder'))
  const rows = batchJson(
    ids,
    () => '',
    ({ client, scope, key }, n) => ({ n, client, scope, key }),
  )
  const taken = await database.run(
    (sql) => sql`
      SELECT n FROM json_to_recordset(${rows}::text::json) AS r(n integer, client text, scope text, key text)
      WHERE (r.scope = ${orders}
          AND EXISTS (SELECT FROM orders AS o WHERE o.client = r.client AND o.idempotency_key = r.key))
        OR EXISTS (SELECT FROM payments AS p
          WHERE p.client = r.client AND p.scope = r.scope AND p.idempotency_key = r.key)`,
  )
  return new Set(taken.map(({ n }) => Number(n)))
}
