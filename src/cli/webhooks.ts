import { validate } from 'uuid'
import type { ChangeNote } from '../../internal/core/change-note.ts'
import { countOpenAndFailed } from '../../internal/events/delivery-table.ts'
import { MAX_OVERLAP_S } from '../../internal/events/endpoint-routes.ts'
import { endpointUrlFault } from '../../internal/events/endpoint-url.ts'
import {
  addEndpoint,
  type Endpoint,
  endpointObject,
  listEndpoints,
  MAX_ENDPOINTS,
  removeEndpoint,
  rotateEndpoint,
} from '../../internal/events/endpoints.ts'
import {
  EVENT_TYPES,
  type EventName,
  type EventType,
  eventId,
  parseEventId,
} from '../../internal/events/event.ts'
import { disableEndpoint, REPLAY_FAULTS, replayEndpoint, replayEvent } from '../../internal/events/replay.ts'
import { readOption } from '../config/read-option.ts'
import { oneOf } from '../config/setting-values.ts'
import { webhookSealing } from '../service/webhook-sealing.ts'
import { type CommandContext, openCommandContext } from './command-database.ts'
import { changeNote } from './operator-note.ts'
import { checkClient, parseOverlap, parseSince } from './option-values.ts'
import { type Options, runVerb, type Shown, textOf, type Work } from './run-verb.ts'

export const HELP = `Usage: oncekey webhooks add CLIENT URL [--events TYPE,TYPE] [--by NAME] [--reason TEXT] [--json]
       oncekey webhooks list [CLIENT] [--json]
       oncekey webhooks rotate ID [--overlap 24h] [--by NAME] [--reason TEXT] [--json]
       oncekey webhooks disable ID [--by NAME] [--reason TEXT] [--json]
       oncekey webhooks replay ID [--since TIME | --event EVENT_ID] [--by NAME] [--reason TEXT] [--json]
       oncekey webhooks remove ID [--by NAME] [--reason TEXT] [--json]

Where partners have their events sent, for the operator; partners do the same with /api/v1/webhook-endpoints.

  add      an endpoint; its secret is shown this once. https and public addresses, 20 a client at most
  list     endpoints, whether they work, and how many deliveries wait or have failed
  rotate   a new secret, shown this once; the old one signs beside it for --overlap more (default 24h, at most 168h)
  disable  nothing is sent any more; what was to be sent is on record as failed, and what happens waits
  replay   enables the endpoint, and sends at once what waits, also what waits for its next attempt; with --since (RFC 3339)
           everything since then again. With --event it sends this one event again, to an endpoint that is enabled
  remove   the endpoint with its deliveries

Each change is an entry in the audit trail of its client (webhook_endpoint.added, rotated, disabled, replayed, removed) with --by,
your user name unless it is given, and --reason; a secret is never part of it.

Settings: DATABASE_URL (without it the embedded database under DATA_DIR, while no service runs on it); SECRETS_KEY, the same as
that of the service.
`

const NOTE = ['by', 'reason'] as const
const VERBS = {
  add: ['events', ...NOTE],
  list: [],
  rotate: ['overlap', ...NOTE],
  disable: NOTE,
  replay: ['since', 'event', ...NOTE],
  remove: NOTE,
} as const
type Verb = keyof typeof VERBS

/** As `POST /api/v1/webhook-endpoints/:id/rotate`. */
const MAX_OVERLAP = { hours: MAX_OVERLAP_S / 3_600, name: 'a week' }

export async function webhooks(args: string[]): Promise<number> {
  return await runVerb(args, { name: 'webhooks', verbs: VERBS, parse, open: () => openCommandContext('') })
}

function parse(name: Verb, operands: readonly string[], options: Options): Work<CommandContext> {
  const takes = { add: ['CLIENT', 'URL'], list: operands.length > 0 ? ['CLIENT'] : [] }[String(name)] ?? [
    'ID',
  ]
  if (operands.length !== takes.length)
    throw new Error(`${name} takes ${takes.join(' and ') || 'no operand'}`)
  const [first = '', url = ''] = operands
  if (takes[0] === 'CLIENT') checkClient('CLIENT=', first)
  if (takes[0] === 'ID' && !validate(first))
    throw new Error(`ID=${first}: must be the id of an endpoint, see list`)
  if (name === 'list') return list(first === '' ? undefined : first)
  return parseChange(name, first, url, options)
}

function parseChange(name: Exclude<Verb, 'list'>, first: string, url: string, options: Options) {
  const given = (option: string) => textOf(options, option)
  if (name === 'add') return add(first, url, parseTypes(given('events')), changeNote(options))
  if (name === 'rotate') {
    const overlapMs = parseOverlap(given('overlap') ?? '24h', MAX_OVERLAP)
    return rotate(first, overlapMs, changeNote(options))
  }
  if (name === 'replay') {
    const [since, event] = [parseSince(given('since')), readOption('event', given('event'), parseEvent)]
    const note = changeNote(options)
    if (event === undefined) return replay(first, since, note)
    if (since !== undefined) throw new Error('replay takes --since or --event, not both')
    return replayOne(first, event, note)
  }
  const note = changeNote(options)
  if (name === 'disable') {
    return onOne(first, async ({ database }, { client, id }) => {
      if (!(await disableEndpoint(database, client, id, note)))
        throw new Error(`endpoint ${id} is disabled already`)
      return { text: `disabled ${id} of ${client}\n`, json: { client, id, status: 'disabled' } }
    })
  }
  return onOne(first, async ({ database }, { client, id }) => {
    if (!(await removeEndpoint(database, client, id, note))) throw new Error(`endpoint ${id} is gone`)
    return { text: `removed ${id} of ${client}\n`, json: { client, id, status: 'removed' } }
  })
}

const NO_CLIENT =
  'The database has no client of this name: right only for one of HMAC_SECRET, CLIENTS_FILE or API_KEYS.\n'

const add =
  (
    client: string,
    url: string,
    types: readonly EventType[] | undefined,
    note: ChangeNote,
  ): Work<CommandContext> =>
  async ({ database, config }) => {
    const fault = endpointUrlFault(url, { allowLocal: !config.production })
    if (fault !== undefined) throw new Error(`URL=${url}: ${fault}`)
    const added = await addEndpoint(database, sealingOf(config), { client, url, types }, Date.now(), note)
    if (added.outcome === 'full')
      throw new Error(`client ${client} has ${MAX_ENDPOINTS} endpoints, the most there can be`)
    if (added.outcome === 'exists')
      throw new Error(`client ${client} has an endpoint with this URL already, see list`)
    const { endpoint, secret } = added
    const [known] = await database.run((sql) => sql`SELECT FROM clients WHERE id = ${client}`)
    const doubt = known === undefined ? NO_CLIENT : ''
    return {
      text: `added ${endpoint.id} of ${client}\nsecret ${secret}\n${doubt}`,
      json: { client, ...endpointObject(endpoint), secret },
    }
  }

const list =
  (client: string | undefined): Work<CommandContext> =>
  async ({ database }) => {
    const counts = await countOpenAndFailed(database, client)
    const shown = (await listEndpoints(database, client)).map((one) => {
      const { pending, failed } = counts.get(one.id) ?? { pending: 0, failed: 0 }
      return {
        client: one.client,
        ...endpointObject(one),
        pending,
        failed,
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

const rotate = (id: string, overlapMs: number, note: ChangeNote) =>
  onOne(id, async ({ database, config }, { client }) => {
    const secret = await rotateEndpoint(database, sealingOf(config), { client, id, overlapMs }, note)
    if (secret === undefined) throw new Error(`endpoint ${id} is gone`)
    return { text: `rotated ${id} of ${client}\nsecret ${secret}\n`, json: { client, id, secret } }
  })

const replay = (id: string, since: Date | undefined, note: ChangeNote) =>
  onOne(id, async ({ database }, { client }) => {
    if (!(await replayEndpoint(database, { client, id, since }, note)))
      throw new Error(`endpoint ${id} is gone`)
    const what = since === undefined ? 'what waits' : `everything since ${since.toISOString()}`
    return { text: `enabled ${id} of ${client}: sends ${what}\n`, json: { client, id, since: since ?? null } }
  })

const replayOne = (id: string, event: EventName, note: ChangeNote) =>
  onOne(id, async ({ database }, { client }) => {
    const outcome = await replayEvent(database, { client, id, event }, note)
    const name = eventId(event)
    if (outcome !== 'replayed') throw new Error(`${name}: ${REPLAY_FAULTS[outcome]}`)
    return { text: `${id} of ${client}: sends ${name} again\n`, json: { client, id, event: name } }
  })

function onOne(
  id: string,
  act: (opened: CommandContext, endpoint: Endpoint) => Promise<Shown>,
): Work<CommandContext> {
  return async (opened) => {
    const endpoint = (await listEndpoints(opened.database)).find((one) => one.id === id)
    if (endpoint === undefined) throw new Error(`there is no endpoint ${id}`)
    return await act(opened, endpoint)
  }
}

/** A command has no HOST: it seals with SECRETS_KEY, or with the key of demo mode. */
function sealingOf(config: CommandContext['config']) {
  const sealing = webhookSealing({ ...config, host: '127.0.0.1' })
  if (sealing.keyId === undefined) throw new Error('SECRETS_KEY is not set')
  return sealing
}

function parseTypes(text: string | undefined): readonly EventType[] | undefined {
  const names = text?.split(',').map((name) => readOption('events', name, oneOf(EVENT_TYPES)))
  return names && EVENT_TYPES.filter((type) => names.includes(type))
}

function parseEvent(text: string): EventName {
  const event = parseEventId(text)
  if (event === undefined) throw new Error('must be the id of an event, such as evt_…_created')
  return event
}
