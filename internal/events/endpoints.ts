import { randomBytes } from 'node:crypto'
import type { ChangeNote } from '../core/change-note.ts'
import { uuidV7 } from '../core/ids.ts'
import { retryOnceIfUnknown } from '../core/retry-once-if-unknown.ts'
import type { Database, Sql } from '../database/database.ts'
import { changeEndpoint } from './change-endpoint.ts'
import { EVENT_TYPES, type EventPlace, type EventType } from './event.ts'
import { newWebhookSecret, type Sealing } from './webhook-secret.ts'

export const MAX_ENDPOINTS = 20

export interface Endpoint {
  client: string
  id: string
  url: string
  /** undefined: all types. */
  types: readonly EventType[] | undefined
  state: 'enabled' | 'disabled'
  /** Why it is disabled: 410, failing for days, an operator. */
  reason: string | undefined
  failingSince: Date | undefined
  createdAt: Date
}

export type NewEndpoint = Pick<Endpoint, 'client' | 'url' | 'types'>

export type Added =
  | { outcome: 'added'; endpoint: Endpoint; secret: string }
  | { outcome: 'full' }
  | { outcome: 'exists' }

/** Makes an endpoint with a secret of its own, which gets the events from now on. `note`: of an operator. */
export async function addEndpoint(
  database: Database,
  sealing: Sealing,
  made: NewEndpoint,
  now: number,
  note?: ChangeNote,
): Promise<Added> {
  const { client, url, types } = made
  const id = uuidV7(now)
  const { secret, secretId, sealed } = sealedSecret(sealing, client, id)
  const outcome = await retryOnceIfUnknown(() =>
    changeEndpoint(
      database,
      { client, id, note, verb: 'added', done: 'added', about: { url, secret_id: secretId } },
      (sql) => sql`
        oncekey_webhook_add(${client}, ${id}::uuid, ${url}, ${types?.join(',') ?? null}::text, ${secretId}, ${sealed.bytes},
          ${sealed.keyId})`,
    ),
  )
  if (outcome === 'full' || outcome === 'exists') return { outcome }
  const endpoint = await findEndpoint(database, client, id)
  if (endpoint === undefined) throw new Error('an endpoint that was added is gone')
  return { outcome: 'added', endpoint, secret }
}

/** Makes a new secret; the old one signs too for `overlapMs`. `note`: of an operator. undefined: there is no such endpoint. */
export async function rotateEndpoint(
  database: Database,
  sealing: Sealing,
  { client, id, overlapMs }: { client: string; id: string; overlapMs: number },
  note?: ChangeNote,
): Promise<string | undefined> {
  const { secret, secretId, sealed } = sealedSecret(sealing, client, id)
  const about = { secret_id: secretId, overlap_ms: overlapMs }
  const outcome = await retryOnceIfUnknown(() =>
    changeEndpoint(
      database,
      { client, id, note, verb: 'rotated', about },
      (sql) => sql`
        oncekey_webhook_rotate(${client}, ${id}::uuid, ${secretId}, ${sealed.bytes}, ${sealed.keyId}, ${overlapMs}::bigint)`,
    ),
  )
  return outcome === 'true' ? secret : undefined
}

export async function findEndpoint(
  database: Database,
  client: string,
  id: string,
): Promise<Endpoint | undefined> {
  const [row] = await database.run(
    (sql) => sql`SELECT ${columns(sql)} FROM webhook_endpoints WHERE client = ${client} AND id = ${id}::uuid`,
  )
  return row === undefined ? undefined : parseEndpoint(row)
}

/** Of one client, or of all; oldest first. */
export async function listEndpoints(database: Database, client?: string): Promise<Endpoint[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT ${columns(sql)} FROM webhook_endpoints ${client === undefined ? sql`` : sql`WHERE client = ${client}`}
      ORDER BY client, id`,
  )
  return rows.map(parseEndpoint)
}

/** Removes it with its secrets and deliveries. `note`: of an operator. false: there is no such endpoint. */
export async function removeEndpoint(
  database: Database,
  client: string,
  id: string,
  note?: ChangeNote,
): Promise<boolean> {
  const outcome = await changeEndpoint(
    database,
    { client, id, note, verb: 'removed' },
    (sql) => sql`oncekey_webhook_remove(${client}, ${id}::uuid)`,
  )
  return outcome === 'true'
}

/** The secrets in force, newest first. */
export async function endpointSecrets(
  database: Database,
  sealing: Sealing,
  { client, id }: Pick<Endpoint, 'client' | 'id'>,
): Promise<string[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT id, sealed, key_id FROM webhook_secrets
      WHERE client = ${client} AND endpoint = ${id}::uuid AND (expires_at IS NULL OR expires_at > clock_timestamp())
      ORDER BY expires_at DESC NULLS FIRST`,
  )
  return rows.map((row) => {
    if (!(row.sealed instanceof Buffer)) throw new Error('a sealed secret is bytes')
    const place = { client, endpoint: id, secretId: String(row.id) }
    return sealing.open({ bytes: row.sealed, keyId: String(row.key_id) }, place)
  })
}

/**
 * Seals up to 100 secrets that are sealed under an older key again; returns how many it read. If some cannot be opened, it
 * goes on with the others and rejects with the first error at the end.
 */
export async function resealEndpoints(database: Database, sealing: Sealing): Promise<number> {
  const { keyId } = sealing
  if (keyId === undefined) return 0
  const rows = await database.run(
    (sql) => sql`
      SELECT client, endpoint, id, sealed, key_id FROM webhook_secrets WHERE key_id <> ${keyId}
      ORDER BY random() LIMIT 100`,
  )
  const failures: unknown[] = []
  for (const row of rows) {
    if (!(row.sealed instanceof Buffer)) continue
    const place = { client: String(row.client), endpoint: String(row.endpoint), secretId: String(row.id) }
    let again: ReturnType<Sealing['seal']>
    try {
      again = sealing.seal(sealing.open({ bytes: row.sealed, keyId: String(row.key_id) }, place), place)
    } catch (error) {
      failures.push(error)
      continue
    }
    await database.run(
      (sql) => sql`
        UPDATE webhook_secrets SET sealed = ${again.bytes}, key_id = ${again.keyId}
        WHERE client = ${place.client} AND endpoint = ${place.endpoint}::uuid AND id = ${place.secretId}`,
    )
  }
  if (failures.length > 0) throw failures[0]
  return rows.length
}

function sealedSecret(sealing: Sealing, client: string, endpoint: string) {
  const secret = newWebhookSecret()
  const secretId = randomBytes(6).toString('hex')
  return { secret, secretId, sealed: sealing.seal(secret, { client, endpoint, secretId }) }
}

const columns = (sql: Sql) => sql`client, id, url, types, state, reason, failing_since, created_at`

function parseEndpoint(row: Record<string, unknown>): Endpoint {
  if (!(row.created_at instanceof Date)) throw new Error('an endpoint without a time of creation')
  const names = typeof row.types === 'string' ? row.types.split(',') : undefined
  return {
    client: String(row.client),
    id: String(row.id),
    url: String(row.url),
    types: names && EVENT_TYPES.filter((type) => names.includes(type)),
    state: row.state === 'enabled' ? 'enabled' : 'disabled',
    reason: typeof row.reason === 'string' ? row.reason : undefined,
    failingSince: row.failing_since instanceof Date ? row.failing_since : undefined,
    createdAt: row.created_at,
  }
}

/** As its client sees it, without the secret. */
export function endpointObject(endpoint: Endpoint): Record<string, unknown> {
  const { id, url, types, state, reason, failingSince, createdAt } = endpoint
  return {
    id,
    url,
    events: types ?? [...EVENT_TYPES],
    status: state,
    disabled_reason: reason ?? null,
    failing_since: failingSince?.toISOString() ?? null,
    created_at: createdAt.toISOString(),
  }
}

/** The endpoint as it was when it was disabled; for an event from before migration 010 as it is now, or only its id. */
export async function disabledEndpoint(
  database: Database,
  client: string,
  place: EventPlace,
): Promise<string> {
  const [row] = await database.run(
    (sql) => sql`
      SELECT endpoint::text, endpoint_row::text AS shown FROM events
      WHERE client = ${client} AND position = ${place.position}::text::bigint AND object = ${place.object}::uuid`,
  )
  const id = String(row?.endpoint)
  const endpoint =
    typeof row?.shown === 'string'
      ? endpointAsItWas(row.shown)
      : row && (await findEndpoint(database, client, id))
  return JSON.stringify({ webhook_endpoint: endpoint === undefined ? { id } : endpointObject(endpoint) })
}

/** Times in JSON are ISO 8601, whatever DateStyle is. */
function endpointAsItWas(json: string): Endpoint {
  const row: Record<string, unknown> = JSON.parse(json)
  const time = (value: unknown) => (typeof value === 'string' ? new Date(value) : null)
  return parseEndpoint({ ...row, created_at: time(row.created_at), failing_since: time(row.failing_since) })
}
