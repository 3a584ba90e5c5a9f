import { type ChangeNote, changeEntry } from '../core/change-note.ts'
import { changeAudited } from '../database/audited-change.ts'
import type { Database, Sql } from '../database/database.ts'
import { knownWord } from '../database/known-word.ts'
import { SCHEMES, type Scheme } from './client-registry.ts'
import type { Sealed } from './seal.ts'

/** The tables of `sql/004_clients.sql`. */

/** The NOTIFY channel of every change. */
export const CLIENTS_CHANNEL = 'oncekey_clients'

/** A secret that is not revoked: it is in force, or retiring and already ended. */
export interface SealedSecret {
  client: string
  minScheme: Scheme | undefined
  /** The rate limits of the client, in the syntax of `RATE_LIMITS`; undefined: the limits of the service. */
  limits: string | undefined
  secretId: string
  sealed: Sealed
  /** The end of a retiring secret, in Unix milliseconds by the clock of the database. */
  expiresAtMs: number | undefined
}

export interface ClientsSnapshot {
  version: string
  /** The time of the database, in Unix milliseconds. */
  databaseMs: number
  /** Undefined if the version is `knownVersion`. */
  secrets: SealedSecret[] | undefined
}

/** All secrets in force, from one snapshot; only the version and the time if nothing has changed since `knownVersion`. */
export async function readClients(database: Database, knownVersion: string): Promise<ClientsSnapshot> {
  const rows = await database.run(
    (sql) => sql`
      SELECT v.version::text AS version, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS database_ms,
        c.id AS client, c.min_scheme, c.limits, s.id AS secret_id, s.sealed, s.key_id,
        (extract(epoch FROM s.expires_at) * 1000)::float8 AS expires_at_ms
      FROM clients_version v
      LEFT JOIN (clients c JOIN client_secrets s ON s.client = c.id AND s.state <> 'revoked')
        ON v.version::text <> ${knownVersion}`,
  )
  const [first] = rows
  if (first === undefined) throw new Error('the table clients_version has no row')
  const version = String(first.version)
  return {
    version,
    databaseMs: Number(first.database_ms),
    secrets:
      version === knownVersion ? undefined : rows.filter((row) => row.client !== null).map(parseSecret),
  }
}

function parseSecret(row: Record<string, unknown>): SealedSecret {
  if (!Buffer.isBuffer(row.sealed)) throw new Error('a secret in force has no bytes')
  return {
    client: String(row.client),
    minScheme: SCHEMES.find((scheme) => scheme === row.min_scheme),
    limits: typeof row.limits === 'string' ? row.limits : undefined,
    secretId: String(row.secret_id),
    sealed: { bytes: row.sealed, keyId: String(row.key_id) },
    expiresAtMs: row.expires_at_ms === null ? undefined : Number(row.expires_at_ms),
  }
}

export interface NewSecret {
  client: string
  secretId: string
  sealed: Sealed
}

/** May be called again with the same secret when the response was lost. */
export async function addClient(
  database: Database,
  { client, secretId, sealed }: NewSecret,
  minScheme: Scheme | undefined,
  note: ChangeNote,
): Promise<'added' | 'exists'> {
  const entry = changeEntry(note, { secret_id: secretId, min_scheme: minScheme })
  return await changeClient(
    database,
    { client, outcomes: ['added', 'exists'], entry },
    (sql) =>
      sql`oncekey_add_client(${client}, ${minScheme ?? null}, ${secretId}, ${sealed.bytes}, ${sealed.keyId})`,
  )
}

/** May be called again with the same secret when the response was lost. `full`: three secrets are in force. */
export async function rotateClient(
  database: Database,
  { client, secretId, sealed }: NewSecret,
  overlapMs: number,
  note: ChangeNote,
): Promise<'rotated' | 'unknown_client' | 'full'> {
  const entry = changeEntry(note, { secret_id: secretId, overlap_ms: overlapMs })
  return await changeClient(
    database,
    { client, outcomes: ['rotated', 'unknown_client', 'full'], entry },
    (sql) =>
      sql`oncekey_rotate_client(${client}, ${secretId}, ${sealed.bytes}, ${sealed.keyId}, ${overlapMs}::bigint)`,
  )
}

/** Without a secret id, revokes all secrets of the client. A repeated call changes nothing. */
export async function revokeClient(
  database: Database,
  client: string,
  secretId: string | undefined,
  note: ChangeNote,
): Promise<'revoked' | 'unknown_client' | 'unknown_secret'> {
  const entry = changeEntry(note, { secret_id: secretId ?? 'all' })
  return await changeClient(
    database,
    { client, outcomes: ['revoked', 'unknown_client', 'unknown_secret'], entry },
    (sql) => sql`oncekey_revoke_client(${client}, ${secretId ?? null})`,
  )
}

/** `outcomes[0]` is the outcome that means a change; it names the entry in the audit trail. */
async function changeClient<T extends string>(
  database: Database,
  { client, outcomes, entry }: { client: string; outcomes: readonly [T, ...T[]]; entry: string },
  call: (sql: Sql) => ReturnType<Sql>,
): Promise<T> {
  const [done] = outcomes
  const outcome = await changeAudited(database, { client, eventType: `client.${done}`, entry, done }, call)
  return knownWord(outcome, outcomes)
}

/** Undefined: the limits of the service. A repeated call changes nothing. */
export async function limitClient(
  database: Database,
  client: string,
  limits: string | undefined,
  note: ChangeNote,
): Promise<'limited' | 'unknown_client'> {
  const entry = changeEntry(note, { limits: limits ?? 'default' })
  const [row] = await database.run(
    (sql) => sql`
      WITH changed AS (UPDATE clients SET limits = ${limits ?? null} WHERE id = ${client} RETURNING id)
      SELECT oncekey_audit_again(id, 'client.limited', ${entry}) AS seq FROM changed`,
  )
  return row === undefined ? 'unknown_client' : 'limited'
}

export interface ResealedSecret {
  client: string
  secretId: string
  /** The bytes that it replaces. A secret with other bytes was changed meanwhile and stays as it is. */
  before: Buffer
  after: Sealed
}

/** Replaces all of them or none, in one statement. Returns how many it replaced. */
export async function replaceSeals(
  database: Database,
  secrets: readonly ResealedSecret[],
  note: ChangeNote,
): Promise<number> {
  const rows = secrets.map(({ client, secretId, before, after }) => ({
    client,
    id: secretId,
    before: before.toString('hex'),
    after: after.bytes.toString('hex'),
    key_id: after.keyId,
  }))
  const entry = changeEntry(note, { key_id: secrets[0]?.after.keyId })
  const clients = await database.run(
    (sql) => sql`
      WITH replaced AS (
        UPDATE client_secrets s SET sealed = decode(n.after, 'hex'), key_id = n.key_id
        FROM json_to_recordset(${JSON.stringify(rows)}::text::json)
          AS n(client text, id text, before text, after text, key_id text)
        WHERE s.client = n.client AND s.id = n.id AND s.sealed = decode(n.before, 'hex')
        RETURNING s.client),
      by_name AS MATERIALIZED (SELECT client, count(*)::int AS secrets FROM replaced GROUP BY client ORDER BY client)
      SELECT secrets, oncekey_audit_again(client, 'client.resealed', ${entry}) AS seq FROM by_name`,
  )
  return clients.reduce((sum, { secrets: count }) => sum + Number(count), 0)
}
