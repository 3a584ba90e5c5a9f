import { parseArgs } from 'node:util'
import { validate } from 'uuid'
import type { Database } from '../../internal/database/database.ts'
import { endpointUrlFault } from '../../internal/events/endpoint-url.ts'
import {
  addEndpoint,
  disableEndpoint,
  type Endpoint,
  endpointObject,
  listEndpoints,
  MAX_ENDPOINTS,
  removeEndpoint,
  replayEndpoint,
  rotateEndpoint,
} from '../../internal/events/endpoints.ts'
import { EVENT_TYPES, type EventType } from '../../internal/events/event.ts'
import { CLIENT_ID } from '../../internal/signature/client-registry.ts'
import { type ConfigOf, readConfig } from '../config/config.ts'
import { parseDuration } from '../config/setting-values.ts'
import { webhookSealing } from '../service/webhook-sealing.ts'
import { openCommandDatabase } from './command-database.ts'

const HELP = `Usage: oncekey webhooks add CLIENT URL [--events TYPE,TYPE] [--json]
       oncekey webhooks list [CLIENT] [--json]
       oncekey webhooks rotate ID [--overlap 24h] [--json]
       oncekey webhooks disable ID [--json]
       oncekey webhooks replay ID [--since TIME] [--json]
       oncekey webhooks remove ID [--json]

Where partners have their events sent, for the operator; partners do the same with /api/v1/webhook-endpoints.

  add      an endpoint; its secret is shown this once. https and public addresses, 20 a client at most
  list     endpoints, whether they work, and how many deliveries wait or have failed
  rotate   a new secret, shown this once; the old one signs beside it for --overlap more (default 24h)
  disable  nothing is sent any more; what was to be sent is on record as failed, and what happens waits
  replay   enables the endpoint, and sends everything since --since (RFC 3339) again
  remove   the endpoint with its deliveries

Settings: DATABASE_URL (without it the embedded database under DATA_DIR, while no service runs on it); SECRETS_KEY, the same as
that of the service.
`

interface Shown {
  text: string
  json: unknown
}
type Config = ConfigOf<'clients'>
type Verb = (database: Database, config: Config) => Promise<Shown>

export async function webhooks(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      events: { type: 'string' },
      overlap: { type: 'string' },
      since: { type: 'string' },
    },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const [name = '', ...operands] = positionals
  const verb = parseVerb(name, operands, values)
  const config = readConfig('clients')
  const database = await openCommandDatabase(config, '')
  try {
    const { text, json } = await verb(database, config)
    process.stdout.write(values.json === true ? `${JSON.stringify(json)}\n` : text)
    return 0
  } finally {
    await database.close()
  }
}

interface Options {
  events?: string | undefined
  overlap?: string | undefined
  since?: string | undefined
}

/** Everything that can be wrong with the command line is reported before anything is opened. */
function parseVerb(name: string, operands: string[], { events, overlap, since }: Options): Verb {
  const takes = new Map([
    ['add', ['CLIENT', 'URL']],
    ['list', operands.length > 0 ? ['CLIENT'] : []],
    ['rotate', ['ID']],
    ['disable', ['ID']],
    ['replay', ['ID']],
    ['remove', ['ID']],
  ]).get(name)
  if (takes === undefined) {
    const problem = name === '' ? 'say' : `there is no ${name}:`
    throw new Error(`${problem} add, list, rotate, disable, replay or remove; see --help`)
  }
  if (operands.length !== takes.length)
    throw new Error(`${name} takes ${takes.join(' and ') || 'no operand'}`)
  for (const [option, value, of] of [
    ['events', events, 'add'],
    ['overlap', overlap, 'rotate'],
    ['since', since, 'replay'],
  ] as const) {
    if (value !== undefined && name !== of) throw new Error(`${name} takes no --${option}`)
  }
  const [first = '', url = ''] = operands
  if (takes[0] === 'CLIENT' && !CLIENT_ID.test(first)) {
    throw new Error(`CLIENT=${first}: must be 1 to 64 of A-Z a-z 0-9 . _ -`)
  }
  if (takes[0] === 'ID' && !validate(first))
    throw new Error(`ID=${first}: must be the id of an endpoint, see list`)
  if (name === 'add') return add(first, url, parseTypes(events))
  if (name === 'list') return list(first === '' ? undefined : first)
  if (name === 'rotate') return rotate(first, parseOverlap(overlap ?? '24h'))
  if (name === 'replay') return replay(first, parseSince(since))
  if (name === 'disable') {
    return onOne(first, async (database, { client, id }) => {
      if (!(await disableEndpoint(database, client, id)))
        throw new Error(`endpoint ${id} is disabled already`)
      return { text: `disabled ${id} of ${client}\n`, json: { client, id, status: 'disabled' } }
    })
  }
  return onOne(first, async (database, { client, id }) => {
    await removeEndpoint(database, client, id)
    return { text: `removed ${id} of ${client}\n`, json: { client, id, status: 'removed' } }
  })
}

const add =
  (client: string, url: string, types: readonly EventType[] | undefined): Verb =>
  async (database, config) => {
    const fault = endpointUrlFault(url, { allowLocal: !config.production })
    if (fault !== undefined) throw new Error(`URL=${url}: ${fault}`)
    const added = await addEndpoint(database, sealingOf(config), { client, url, types }, Date.now())
    if (added.outcome === 'full')
      throw new Error(`client ${client} has ${MAX_ENDPOINTS} endpoints, the most there can be`)
    if (added.outcome === 'exists')
      throw new Error(`client ${client} has an endpoint with this URL already, see list`)
    const { endpoint, secret } = added
    return {
      text: `added ${endpoint.id} of ${client}\nsecret ${secret}\n`,
      json: { client, ...endpointObject(endpoint), secret },
    }
  }

const list =
  (client: string | undefined): Verb =>
  async (database) => {
    const counts = await database.run(
      (sql) => sql`
        SELECT endpoint::text, count(*) FILTER (WHERE state = 'pending')::integer AS pending,
          count(*) FILTER (WHERE state = 'failed')::integer AS failed
        FROM webhook_deliveries ${client === undefined ? sql`` : sql`WHERE client = ${client}`} GROUP BY endpoint`,
    )
    const byId = new Map(
      counts.map(({ endpoint, pending, failed }) => [String(endpoint), { pending, failed }]),
    )
    const shown = (await listEndpoints(database, client)).map((one) => {
      const { pending = 0, failed = 0 } = byId.get(one.id) ?? {}
      return {
        client: one.client,
        ...endpointObject(one),
        pending: Number(pending),
        failed: Number(failed),
        state: one,
      }
    })
    const lines = shown.map(({ client: owner, state, pending, failed }) => {
      const why = state.reason === undefined ? '' : ` (${state.reason})`
      const since =
        state.failingSince === undefined ? '' : `, failing since ${state.failingSince.toISOString()}`
      return `${state.id}  ${owner}  ${state.state}${why}  ${pending} waiting, ${failed} failed${since}  ${state.url}\n`
    })
    return {
      text: lines.length === 0 ? 'no endpoints\n' : lines.join(''),
      json: shown.map(({ state: _, ...one }) => one),
    }
  }

const rotate = (id: string, overlapMs: number): Verb =>
  onOne(id, async (database, { client }, config) => {
    const secret = await rotateEndpoint(database, sealingOf(config), { client, id, overlapMs })
    if (secret === undefined) throw new Error(`endpoint ${id} is gone`)
    return { text: `rotated ${id} of ${client}\nsecret ${secret}\n`, json: { client, id, secret } }
  })

const replay = (id: string, since: Date | undefined): Verb =>
  onOne(id, async (database, { client }) => {
    await replayEndpoint(database, { client, id, since })
    const what = since === undefined ? 'what waits' : `everything since ${since.toISOString()}`
    return { text: `enabled ${id} of ${client}: sends ${what}\n`, json: { client, id, since: since ?? null } }
  })

function onOne(
  id: string,
  act: (database: Database, endpoint: Endpoint, config: Config) => Promise<Shown>,
): Verb {
  return async (database, config) => {
    const endpoint = (await listEndpoints(database)).find((one) => one.id === id)
    if (endpoint === undefined) throw new Error(`there is no endpoint ${id}`)
    return await act(database, endpoint, config)
  }
}

/** A command has no host to listen on: it seals with SECRETS_KEY, or as demo mode does. */
function sealingOf(config: Config) {
  const sealing = webhookSealing({ ...config, host: '127.0.0.1' })
  if (sealing.keyId === undefined) throw new Error('SECRETS_KEY is not set')
  return sealing
}

function parseTypes(text: string | undefined): readonly EventType[] | undefined {
  if (text === undefined) return undefined
  const names = text.split(',')
  const unknown = names.find((name) => !EVENT_TYPES.some((type) => type === name))
  if (unknown !== undefined) throw new Error(`--events ${unknown}: must be one of ${EVENT_TYPES.join(', ')}`)
  return EVENT_TYPES.filter((type) => names.includes(type))
}

function parseOverlap(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    throw new Error(`--overlap ${text}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function parseSince(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const time = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/.test(text)
    ? new Date(text)
    : new Date(Number.NaN)
  if (!Number.isNaN(time.getTime())) return time
  throw new Error(`--since ${text}: must be a time of RFC 3339, such as 2026-01-31T09:30:00Z`)
}
