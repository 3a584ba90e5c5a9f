import { NO_HASH } from '../../internal/audit/chain.ts'
import { chainEnds, countEntries } from '../../internal/audit/read-chains.ts'
import {
  type ChainReport,
  type NotedHeads,
  verifyDatabase,
  verifyExport,
} from '../../internal/audit/verify-chains.ts'
import type { Database } from '../../internal/database/database.ts'
import { liveLine } from '../tools/live-line.ts'
import { readExport } from './audit-export.ts'

export interface VerifyArguments {
  client: string | undefined
  noted: NotedHeads
  json: boolean
}

/** Prints a line for each client; exit code 1 if a chain is broken. */
export async function verifyAudit(
  from: { database: Database } | { file: string },
  { client, noted, json }: VerifyArguments,
): Promise<number> {
  const total = 'file' in from ? undefined : await countEntries(from.database, client)
  let read = 0
  const progress = liveLine(
    process.stderr,
    () => `${read}${total === undefined ? '' : ` of ${total}`} entries`,
  )
  const onEntry = () => {
    read++
  }
  const options = { client, noted, onEntry }
  const reports =
    'file' in from ? verifyExport(readExport(from.file), options) : verifyDatabase(from.database, options)
  let clients = 0
  let entries = 0
  let faults = 0
  try {
    for await (const report of reports) {
      progress.clear()
      clients++
      entries += report.entries
      if (report.fault !== null) faults++
      process.stdout.write(json ? `${JSON.stringify(report)}\n` : describe(report))
    }
  } finally {
    progress.stop()
  }
  if (client !== undefined && clients === 0) throw new Error(`there are no entries of client ${client}`)
  if (!json) {
    const broken = faults === 0 ? 'no fault' : `${faults} BROKEN`
    const heads = [...noted.values()].reduce((sum, { length }) => sum + length, 0)
    const compared = heads === 0 ? '' : `, ${plural(heads, 'head')} compared`
    process.stdout.write(
      `${plural(clients, 'client')}, ${plural(entries, 'entry', 'entries')}${compared}: ${broken}\n`,
    )
  }
  return faults === 0 ? 0 : 1
}

function describe({ client, from, entries, head, fault }: ChainReport): string {
  const what = from === 1 ? plural(entries, 'entry', 'entries') : `${entries} entries from ${from} on`
  const end = head.hash === NO_HASH ? 'no entries' : `${what}, head ${head.seq}:${head.hash}`
  if (fault === null) return `ok     ${client}: ${end}\n`
  return `BROKEN ${client}: ${fault.kind} at ${fault.seq}: ${fault.detail} (sound before: ${end})\n`
}

function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}

/** Lines ID:SEQ:HASH, or with --json one `{"client","seq","hash"}` a line. */
export async function printHeads(
  database: Database,
  client: string | undefined,
  json: boolean,
): Promise<number> {
  for await (const { client: id, head } of chainEnds(database, client)) {
    if (head === null) throw new Error(`client ${id} has entries and no head: run oncekey audit verify`)
    if (head.seq === 0) continue
    process.stdout.write(
      json ? `${JSON.stringify({ client: id, ...head })}\n` : `${id}:${head.seq}:${head.hash}\n`,
    )
  }
  return 0
}
