import { KEY_STATES } from '../../internal/idempotency/key-records.ts'
import type { KeyId } from '../../internal/idempotency/store.ts'
import { meaningOf } from '../../internal/proxy/response-meaning.ts'
import { readConfig } from '../config/config.ts'
import { readOption } from '../config/read-option.ts'
import { matching, oneOf, whole } from '../config/setting-values.ts'
import { listKeys, releaseKey, resolveKey, showKey, showLog } from './change-keys.ts'
import { importKeys } from './import-keys.ts'
import { type OpenRecords, openKeyRecords } from './open-key-records.ts'
import { operatorNote } from './operator-note.ts'
import { type Options, runVerb, textOf, type Work } from './run-verb.ts'

export const HELP = `Usage: oncekey keys list [--state unknown|in_progress|completed] [--client NAME] [--limit 1000] [--json]
       oncekey keys show --client NAME --scope SCOPE --key KEY [--json]
       oncekey keys resolve --client NAME --scope SCOPE --key KEY --status 201 [--body FILE|-]
                            [--content-type application/json] [--by NAME] [--reason TEXT] [--json]
       oncekey keys release --client NAME --scope SCOPE --key KEY [--yes] [--by NAME] [--reason TEXT] [--json]
       oncekey keys import FILE [--dry-run] [--sidecar] [--by NAME] [--json]
       oncekey keys log [--client NAME] [--json]

Keys and what became of their requests. A request that was sent and never got a response is unknown: it is held, and not
run again, until an operator finds out what happened and says so here.

  list     the records, each in a line; --state unknown are those that wait for an operator
  show     one record: its state, since when, why
  resolve  it took effect: every retry gets this response from now on, for IDEMPOTENCY_TTL. --body - reads it from
           standard input; without --body it is empty
  release  nothing took effect: the key is free, and the next retry RUNS THE REQUEST AGAIN. Only for what is certain
           not to have happened, nor to be on its way still. Asks first; --yes does not
  import   stores responses that another system has given, from JSON lines: every retry gets them from now on. Changes
           no record that is there, so that it may be repeated. See docs/migrating.md for the members of a line
  log      who resolved and released what, when and why

SCOPE is the method and the route, or for the sidecar the path, as in 'POST /orders'. Only what is unknown can be
resolved or released, and only as long as it is what was shown: whatever happened meanwhile stays. Each of these is
noted for good with --by, your user name unless it is given. --json prints one JSON object a line.

Settings, as of the service: REDIS_URL, DATABASE_URL (without it the embedded database under DATA_DIR, while no service
runs on it; by default .oncekey-proxy, where a sidecar was started, else .oncekey), IDEMPOTENCY_STORE, IDEMPOTENCY_TTL.
Exit code 1: there is no such record, it was not unknown, a line was not imported, or something failed.
`

const ONE = ['client', 'scope', 'key'] as const
const WHO = ['by', 'reason'] as const
const VERBS = {
  list: ['state', 'client', 'limit'],
  show: ONE,
  resolve: [...ONE, ...WHO, 'status', 'body', 'content-type'],
  release: [...ONE, ...WHO, 'yes'],
  import: ['by', 'dry-run', 'sidecar'],
  log: ['client'],
} as const

const DEFAULT_LIMIT = 1_000

export async function keys(args: string[]): Promise<number> {
  return await runVerb(args, {
    name: 'keys',
    verbs: VERBS,
    flags: ['yes', 'dry-run', 'sidecar'],
    parse,
    async open() {
      const store = await openKeyRecords(readConfig('keys'))
      // So that the operator notices a wrong store.
      process.stderr.write(`oncekey: the keys in ${store.where}\n`)
      return store
    },
  })
}

function parse(verb: keyof typeof VERBS, operands: readonly string[], options: Options): Work<OpenRecords> {
  if (verb === 'import' ? operands.length !== 1 : operands.length > 0) {
    const rule = verb === 'import' ? 'import takes one FILE, and options' : `${verb} takes options only`
    throw new Error(`${[operands.join(' '), rule].filter(Boolean).join(': ')}; see --help`)
  }
  const given = (option: string) => textOf(options, option)
  const client = given('client')
  if (verb === 'list') {
    const filter = { client, state: readOption('state', given('state'), oneOf(KEY_STATES)) }
    const limit = readOption('limit', given('limit'), whole(1, 1e9)) ?? DEFAULT_LIMIT
    return ({ records }) => listKeys(records, filter, limit)
  }
  if (verb === 'log') return ({ records }) => showLog(records, client)

  if (verb === 'import') return importing(operands[0] ?? '', options, operatorNote(given('by'), undefined).by)

  const id = parseId(given)
  if (verb === 'show') return (store) => showKey(store, id)
  const resolver = operatorNote(given('by'), given('reason'))
  if (verb === 'release') return (store) => releaseKey(store, id, resolver, options.yes === true)
  const status = readOption('status', given('status'), whole(200, 599))
  if (status === undefined) throw new Error('--status is missing: must be a whole number from 200 to 599')
  if (meaningOf(status, undefined, 'replay') !== 'completed') {
    throw new Error(
      `--status ${status}: such a response is never stored, since it says that nothing took effect`,
    )
  }
  const contentType = readOption('content-type', given('content-type'), mediaType)
  const response = { status, body: given('body'), contentType }
  return (store) => resolveKey(store, id, resolver, response)
}

function importing(file: string, options: Options, by: string): Work<OpenRecords> {
  const isSidecar = options.sidecar === true
  const dryRun = options['dry-run'] === true
  return async function* importing(store) {
    const database = isSidecar ? undefined : await store.rows()
    yield* importKeys({ records: store.records, database, file, isSidecar, dryRun, by })
  }
}

function parseId(given: (option: string) => string | undefined): KeyId {
  const [client, scope, key] = ONE.map(given)
  if (!client || !scope || !key)
    throw new Error("--client, --scope (for example 'POST /orders') and --key say which record; see list")
  return { client, scope, key }
}

const mediaType = matching(/^[!-.0-~]{1,127}\/[ -~]{1,255}$/, 'a media type like application/json')
