import { parseArgs } from 'node:util'
import { readConfig } from '../config/config.ts'
import { exportAudit } from './audit-export.ts'
import { parseNoted } from './audit-heads.ts'
import { printHeads, verifyAudit } from './audit-verify.ts'
import { openCommandDatabase } from './command-database.ts'
import { checkClient, parseSince } from './option-values.ts'
import { checkOptions, findVerb } from './run-verb.ts'

export const HELP = `Usage: oncekey audit verify [--client ID] [--head [ID:]SEQ:HASH ...] [--heads FILE] [--file FILE] [--json]
       oncekey audit heads [--client ID] [--json]
       oncekey audit export [--client ID] [--since TIME]

The audit trail of payments, and of the changes of clients: for each client a chain of entries, each with the hash of the one before it.

  verify  recomputes every chain and tells the first broken place of each: an entry that was changed, moved, inserted,
          or taken away. Exit code 1 on a fault. --head and --heads name ends of chains that were kept elsewhere: only
          they tell when an owner of the database wrote a chain anew, or cut it together with the record of its
          end. --file verifies an export ("-": standard input) instead of the database.
  heads   where each chain ends, as lines ID:SEQ:HASH. Keep them where the database cannot reach them, for --heads.
  export  the entries as JSON lines {"client","seq","at","event_type","entry","hash","prev_hash"}. --since, a time like
          2026-01-31T00:00:00Z, begins each chain with the first entry of that time or later.

The hash of an entry is SHA-256 over the bytes of the hash before it (32 zero bytes before the first), then client, seq,
at, event_type and entry, joined by line feeds.

Settings: DATABASE_URL (without it the embedded database under DATA_DIR, while no service runs on it).
`

const ALLOWED = {
  verify: ['client', 'head', 'heads', 'file', 'json'],
  heads: ['client', 'json'],
  export: ['client', 'since'],
} as const

export async function audit(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      client: { type: 'string' },
      head: { type: 'string', multiple: true },
      heads: { type: 'string' },
      file: { type: 'string' },
      since: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const { json = false, client, file, ...rest } = values
  const verb = parseVerb(positionals, Object.keys(values))
  if (client !== undefined) checkClient('--client ', client)
  const noted = parseNoted(rest.head ?? [], rest.heads, client)
  const since = parseSince(rest.since)
  if (file !== undefined) return await verifyAudit({ file }, { client, noted, json })
  const database = await openCommandDatabase(readConfig('audit'), '')
  try {
    if (verb === 'verify') return await verifyAudit({ database }, { client, noted, json })
    if (verb === 'heads') return await printHeads(database, client, json)
    return await exportAudit(database, client, since)
  } finally {
    await database.close()
  }
}

function parseVerb([name = '', ...more]: string[], options: readonly string[]): string {
  const verb = findVerb(name, ALLOWED)
  if (more.length > 0) throw new Error(`${verb} takes no names; see --help`)
  checkOptions(verb, options, ALLOWED[verb])
  return verb
}
