import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { Database } from '../../internal/database/database.ts'
import { parseClientLimits } from '../../internal/ratelimit/rate-limits.ts'
import { CLIENT_ID, OPEN_CLIENT, SCHEMES } from '../../internal/signature/client-registry.ts'
import { listClients } from '../../internal/signature/list-clients.ts'
import { readConfig } from '../config/config.ts'
import { parseDuration } from '../config/setting-values.ts'
import { addOne, limitOne, resealAll, revokeOne, rotateOne, type Setting } from './change-clients.ts'
import { clientsTable } from './clients-table.ts'
import { openCommandDatabase } from './command-database.ts'
import { operatorNote } from './operator-note.ts'

const HELP = `Usage: oncekey clients add NAME [--min-scheme v0|v1|rfc9421] [--by NAME] [--reason TEXT] [--json]
       oncekey clients list [--json]
       oncekey clients rotate NAME [--overlap 72h] [--by NAME] [--reason TEXT] [--json]
       oncekey clients revoke NAME [--secret ID] [--by NAME] [--reason TEXT] [--json]
       oncekey clients limit NAME LIMITS|default [--by NAME] [--reason TEXT] [--json]
       oncekey clients reseal [--by NAME] [--reason TEXT] [--json]

Partners and their secrets, in the database. A running service takes every change over without a restart.

  add     a new client; its secret is shown this once
  list    clients and the states of their secrets, never a secret
  rotate  a new secret, shown this once; the older ones work for --overlap more (default 72h, 0s: they end at once),
          and responses to them carry X-Secret-Expires. Works at once on every node.
  revoke  ends all secrets of the client, or the one with --secret, and erases them. Within a second on every node,
          30 s if a notification was lost. "rotate" gives a revoked client a new secret.
  limit   rate limits of its own, such as 'client=600/60s,client=20/1s:token-bucket:50', in place of those of scope
          client and endpoint; none: no such limits; default: the common ones again. In force as fast as revoke.
  reseal  seals all secrets again with SECRETS_KEY: the second step of changing that key

Each change is an entry in the audit trail of its client (client.added, rotated, revoked, limited, resealed) with --by, your user
name unless it is given, and --reason; a secret is never part of it.

Settings: DATABASE_URL (without it the embedded database under DATA_DIR, while no service runs on it); SECRETS_KEY,
32 bytes in base64 (openssl rand -base64 32), the same as that of the service.
To change SECRETS_KEY: 1. restart the services with the new SECRETS_KEY, and SECRETS_KEY_OLD=the old one; 2. with the
same two settings run "oncekey clients reseal"; 3. leave SECRETS_KEY_OLD out from the next restart on.
`

/** A year: an overlap of more is a secret that never ends. */
const MAX_OVERLAP_MS = 365 * 24 * 3_600_000

type Verb = (database: Database, setting: Setting) => Promise<{ text: string; json: unknown }>

export async function clients(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      'min-scheme': { type: 'string' },
      overlap: { type: 'string' },
      secret: { type: 'string' },
      by: { type: 'string' },
      reason: { type: 'string' },
    },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const [name = '', ...operands] = positionals
  const { help: _, json = false, by, reason, ...options } = values
  const verb = parseVerb(name, operands, options)
  if (name === 'list' && (by ?? reason) !== undefined) throw new Error('list takes no --by and no --reason')
  // A list needs no name of an operator.
  const { by: who, reason: why } = name === 'list' ? { by: '', reason: undefined } : operatorNote(by, reason)
  const note = { id: randomUUID(), by: who, reason: why }
  const config = readConfig('clients')
  const setting = { config, note, warn: (text: string) => process.stderr.write(`oncekey clients: ${text}\n`) }
  const database = await openCommandDatabase(config)
  try {
    const result = await verb(database, setting)
    process.stdout.write(json ? `${JSON.stringify(result.json)}\n` : result.text)
    return 0
  } finally {
    await database.close()
  }
}

interface Options {
  'min-scheme'?: string | undefined
  overlap?: string | undefined
  secret?: string | undefined
}

const ALLOWED = new Map<string, (keyof Options)[]>([
  ['add', ['min-scheme']],
  ['list', []],
  ['rotate', ['overlap']],
  ['revoke', ['secret']],
  ['limit', []],
  ['reseal', []],
])

/** Everything that can be wrong with the command line is said before anything is opened. */
function parseVerb(name: string, operands: string[], options: Options): Verb {
  const allowed = ALLOWED.get(name)
  if (allowed === undefined) {
    throw new Error(
      `${name === '' ? 'say' : `there is no ${name}:`} add, list, rotate, revoke, limit or reseal; see --help`,
    )
  }
  for (const option of ['min-scheme', 'overlap', 'secret'] as const) {
    if (options[option] !== undefined && !allowed.includes(option))
      throw new Error(`${name} takes no --${option}`)
  }
  const takesName = name !== 'list' && name !== 'reseal'
  const [client = '', ...rest] = takesName ? operands : ['', ...operands]
  const limits = name === 'limit' ? rest.shift() : undefined
  if (rest.length > 0)
    throw new Error(`${rest.join(' ')}: ${name} takes ${takesName ? 'one NAME' : 'no NAME'}`)
  if (takesName && !CLIENT_ID.test(client)) {
    throw new Error(`NAME=${client}: must be 1 to 64 of A-Z a-z 0-9 . _ -`)
  }
  if (name === 'add') {
    if (client === OPEN_CLIENT) throw new Error(`NAME=${client}: is reserved for callers without credentials`)
    const minScheme = parseMinScheme(options['min-scheme'])
    return (database, setting) => addOne(database, setting, client, minScheme)
  }
  if (name === 'rotate') {
    const overlapMs = parseOverlap(options.overlap ?? '72h')
    return (database, setting) => rotateOne(database, setting, client, overlapMs)
  }
  if (name === 'revoke') {
    const secretId = options.secret
    return (database, setting) => revokeOne(database, setting, client, secretId)
  }
  if (name === 'limit') {
    const own = parseLimits(limits)
    return (database, setting) => limitOne(database, setting, client, own)
  }
  if (name === 'reseal') return resealAll
  return async (database) => {
    const list = await listClients(database)
    return { text: clientsTable(list), json: list }
  }
}

function parseMinScheme(text: string | undefined) {
  const found = SCHEMES.find((scheme) => scheme === text)
  if (text !== undefined && found === undefined) {
    throw new Error(`--min-scheme ${text}: must be one of ${SCHEMES.join(', ')}`)
  }
  return found
}

/** Undefined for `default`. */
function parseLimits(text: string | undefined): string | undefined {
  if (text === undefined) {
    throw new Error("limit takes NAME and LIMITS, such as 'client=600/60s'; or none, or default")
  }
  if (text === 'default') return undefined
  parseClientLimits(text)
  return text
}

function parseOverlap(text: string): number {
  try {
    const ms = parseDuration(text)
    if (ms <= MAX_OVERLAP_MS) return ms
  } catch (error) {
    throw new Error(`--overlap ${text}: ${error instanceof Error ? error.message : String(error)}`)
  }
  throw new Error(`--overlap ${text}: must be at most 8760h, a year`)
}
