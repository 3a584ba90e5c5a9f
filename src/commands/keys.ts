import { userInfo } from 'node:os'
import { parseArgs } from 'node:util'
import { KEY_STATES, type KeyRecords, type KeyState } from '../../internal/idempotency/key-records.ts'
import type { KeyId } from '../../internal/idempotency/store.ts'
import { readStoreConfig } from '../config.ts'
import { listKeys, releaseKey, resolveKey, type Shown, showKey, showLog } from './change-keys.ts'
import { openKeyRecords } from './open-key-records.ts'

const HELP = `Usage: oncekey keys list [--state unknown|in_progress|completed] [--client NAME] [--limit 1000] [--json]
       oncekey keys show --client NAME --scope SCOPE --key KEY [--json]
       oncekey keys resolve --client NAME --scope SCOPE --key KEY --status 201 [--body FILE|-]
                            [--content-type application/json] [--by NAME] [--reason TEXT] [--json]
       oncekey keys release --client NAME --scope SCOPE --key KEY [--yes] [--by NAME] [--reason TEXT] [--json]
       oncekey keys log [--client NAME] [--json]

Keys and what became of their requests. A request that was sent and never answered is unknown: it is held, and not
run again, until somebody finds out what happened and says so here.

  list     the records, each in a line; --state unknown are those that wait for somebody
  show     one record: its state, since when, why
  resolve  it took effect: every retry gets this answer from now on, for IDEMPOTENCY_TTL. --body - reads it from
           standard input; without --body it is empty
  release  nothing took effect: the key is free, and the next retry RUNS THE REQUEST AGAIN. Only for what is certain
           not to have happened, nor to be on its way still. Asks first; --yes does not
  log      who resolved and released what, when and why

SCOPE is the method and the route, or for the sidecar the path, as in 'POST /orders'. Only what is unknown can be
resolved or released, and only as long as it is what was shown: whatever happened meanwhile stays. Each of these is
noted for good with --by, your user name unless it is given. --json prints one JSON object a line.

Settings, as of the service: REDIS_URL, DATABASE_URL (without it the embedded database under DATA_DIR, while no service
runs on it; by default .oncekey-proxy, where a sidecar was started, else .oncekey), IDEMPOTENCY_STORE, IDEMPOTENCY_TTL.
Exit code 1: there is no such record, it was not unknown, or something failed.
`

const VERBS = ['list', 'show', 'resolve', 'release', 'log'] as const
type Verb = (typeof VERBS)[number]
const ONE = ['client', 'scope', 'key'] as const
const WHO = ['by', 'reason'] as const
const ALLOWED: Record<Verb, readonly string[]> = {
  list: ['state', 'client', 'limit'],
  show: ONE,
  resolve: [...ONE, ...WHO, 'status', 'body', 'content-type'],
  release: [...ONE, ...WHO, 'yes'],
  log: ['client'],
}

const DEFAULT_LIMIT = 1_000
/** Printable, and far below what an audit entry may have. */
const NOTE = /^[^\p{Cc}\p{Cs}]{1,500}$/u

export async function keys(args: string[]): Promise<number> {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      yes: { type: 'boolean' },
      client: text,
      scope: text,
      key: text,
      state: text,
      limit: text,
      status: text,
      body: text,
      'content-type': text,
      by: text,
      reason: text,
    },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const { help: _, json = false, ...options } = values
  const work = parseVerb(positionals, options)
  const config = readStoreConfig()
  const { records, close } = await openKeyRecords(config)
  if (config.idempotencyStore === 'postgres' && config.databaseUrl === undefined) {
    process.stderr.write(`oncekey: the keys in ${config.dataDir} (DATA_DIR)\n`)
  }
  try {
    let code = 0
    for await (const shown of work(records)) {
      if (shown.code !== undefined) code = shown.code
      if (shown.warning !== undefined) process.stderr.write(`oncekey keys: ${shown.warning}\n`)
      if (json && shown.json !== undefined) process.stdout.write(`${JSON.stringify(shown.json)}\n`)
      if (!json) process.stdout.write(shown.text ?? '')
    }
    return code
  } finally {
    await close()
  }
}

type Options = Partial<Record<string, string | boolean>>
type Work = (records: KeyRecords) => AsyncIterable<Shown>

/** Everything that can be wrong with the command line is said before anything is opened. */
function parseVerb([name = '', ...operands]: string[], options: Options): Work {
  const verb = VERBS.find((one) => one === name)
  if (verb === undefined) {
    throw new Error(
      `${name === '' ? 'say' : `there is no ${name}:`} list, show, resolve, release or log; see --help`,
    )
  }
  if (operands.length > 0) throw new Error(`${operands.join(' ')}: ${verb} takes options only; see --help`)
  for (const option of Object.keys(options)) {
    if (!ALLOWED[verb].includes(option)) throw new Error(`${verb} takes no --${option}`)
  }
  const given = (option: string) => {
    const value = options[option]
    return typeof value === 'string' ? value : undefined
  }
  const client = given('client')
  if (verb === 'list') {
    const filter = { client, state: parseState(given('state')) }
    const limit = given('limit') === undefined ? DEFAULT_LIMIT : whole('limit', given('limit'), 1, 1e9)
    return (records) => listKeys(records, filter, limit)
  }
  if (verb === 'log') return (records) => showLog(records, client)

  const id = parseId(given)
  if (verb === 'show') return (records) => showKey(records, id)
  const resolver = { by: note('by', given('by') ?? userName()), reason: optionalNote(given('reason')) }
  if (verb === 'release') return (records) => releaseKey(records, id, resolver, options.yes === true)
  const status = whole('status', given('status'), 200, 599)
  const answer = { status, body: given('body'), contentType: contentType(given('content-type')) }
  return (records) => resolveKey(records, id, resolver, answer)
}

function parseId(given: (option: string) => string | undefined): KeyId {
  const [client, scope, key] = ONE.map(given)
  if (!client || !scope || !key) {
    throw new Error("--client, --scope (for example 'POST /orders') and --key say which record; see list")
  }
  return { client, scope, key }
}

function parseState(text: string | undefined): KeyState | undefined {
  const state = KEY_STATES.find((one) => one === text)
  if (text !== undefined && state === undefined) {
    throw new Error(`--state ${text}: must be one of ${KEY_STATES.join(', ')}`)
  }
  return state
}

function whole(option: string, text: string | undefined, min: number, max: number): number {
  const number = text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (number >= min && number <= max) return number
  throw new Error(`--${option} ${text ?? 'is missing'}: must be a whole number from ${min} to ${max}`)
}

function contentType(text: string | undefined): string | undefined {
  if (text === undefined || /^[\x21-\x7e]+\/[\x20-\x7e]+$/.test(text)) return text
  throw new Error(`--content-type ${text}: must be a media type like application/json`)
}

function note(option: string, text: string): string {
  if (NOTE.test(text)) return text
  throw new Error(`--${option}: must be 1 to 500 characters, no control characters`)
}

function optionalNote(text: string | undefined): string | undefined {
  return text === undefined ? undefined : note('reason', text)
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    throw new Error('--by NAME is needed: this user has no name')
  }
}
