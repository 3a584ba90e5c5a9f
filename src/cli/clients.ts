import type { Database } from '../../internal/database/database.ts'
import { parseClientLimits } from '../../internal/ratelimit/rate-limits.ts'
import { OPEN_CLIENT, SCHEMES } from '../../internal/signature/client-registry.ts'
import { type ListedClient, listClients } from '../../internal/signature/list-clients.ts'
import { readOption } from '../config/read-option.ts'
import { oneOf } from '../config/setting-values.ts'
import { addOne, limitOne, resealAll, revokeOne, rotateOne, type Setting } from './change-clients.ts'
import { type CommandContext, openCommandContext } from './command-database.ts'
import { changeNote } from './operator-note.ts'
import { checkClient, parseOverlap } from './option-values.ts'
import { type Options, runVerb, type Shown, textOf, type Work } from './run-verb.ts'

export const HELP = `Usage: oncekey clients add NAME [--min-scheme v0|v1|rfc9421] [--by NAME] [--reason TEXT] [--json]
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

const MAX_OVERLAP = { hours: 365 * 24, name: 'a year' }

const NOTE = ['by', 'reason'] as const
const VERBS = {
  add: ['min-scheme', ...NOTE],
  list: [],
  rotate: ['overlap', ...NOTE],
  revoke: ['secret', ...NOTE],
  limit: NOTE,
  reseal: NOTE,
} as const
type Verb = keyof typeof VERBS

export async function clients(args: string[]): Promise<number> {
  return await runVerb(args, { name: 'clients', verbs: VERBS, parse, open: () => openCommandContext() })
}

function parse(name: Verb, operands: readonly string[], options: Options): Work<CommandContext> {
  const takesName = name !== 'list' && name !== 'reseal'
  const [client = '', ...rest] = takesName ? operands : ['', ...operands]
  const limits = name === 'limit' ? rest.shift() : undefined
  if (rest.length > 0)
    throw new Error(`${rest.join(' ')}: ${name} takes ${takesName ? 'one NAME' : 'no NAME'}`)
  if (takesName && client === '') throw new Error(`${name} takes NAME`)
  if (takesName) checkClient('NAME=', client)
  // Without the name of an operator.
  if (name === 'list') {
    return async ({ database }) => {
      const list = await listClients(database)
      return { text: clientsTable(list), json: list }
    }
  }
  const change = parseChange(name, client, limits, options)
  const note = changeNote(options)
  const warn = (text: string) => process.stderr.write(`oncekey clients: ${text}\n`)
  return ({ database, config }) => change(database, { config, note, warn })
}

type Change = (database: Database, setting: Setting) => Promise<Shown>

function parseChange(
  name: Exclude<Verb, 'list'>,
  client: string,
  limits: string | undefined,
  options: Options,
): Change {
  if (name === 'add') {
    if (client === OPEN_CLIENT) throw new Error(`NAME=${client}: is reserved for callers without credentials`)
    const minScheme = readOption('min-scheme', textOf(options, 'min-scheme'), oneOf(SCHEMES))
    return (database, setting) => addOne(database, setting, client, minScheme)
  }
  if (name === 'rotate') {
    const overlapMs = parseOverlap(textOf(options, 'overlap') ?? '72h', MAX_OVERLAP)
    return (database, setting) => rotateOne(database, setting, client, overlapMs)
  }
  if (name === 'revoke') {
    const secretId = textOf(options, 'secret')
    return (database, setting) => revokeOne(database, setting, client, secretId)
  }
  if (name === 'limit') {
    const own = parseLimits(limits)
    return (database, setting) => limitOne(database, setting, client, own)
  }
  return resealAll
}

/** Undefined for `default`. */
function parseLimits(text: string | undefined): string | undefined {
  if (text === undefined)
    throw new Error("limit takes NAME and LIMITS, such as 'client=600/60s'; or none, or default")
  if (text === 'default') return undefined
  parseClientLimits(text)
  return text
}

/** A line for each secret, in columns. */
function clientsTable(clients: readonly ListedClient[]): string {
  if (clients.length === 0) return 'no clients in the database; "oncekey clients add NAME" adds one\n'
  const rows = [['CLIENT', 'MIN_SCHEME', 'LIMITS', 'SECRET', 'STATE', 'SINCE', 'UNTIL']]
  for (const { client, min_scheme, limits, created_at, secrets } of clients) {
    const start = [client, min_scheme ?? '-', limits ?? '-']
    if (secrets.length === 0) rows.push([...start, '-', '-', created_at, '-'])
    for (const { secret_id, state, created_at: since, expires_at, revoked_at } of secrets) {
      rows.push([...start, secret_id, state, since, revoked_at ?? expires_at ?? '-'])
    }
  }
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  const line = (row: string[]) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('')
}
