import type { Database } from '../database/database.ts'
import type { KeyRecord, KeyRecords } from '../idempotency/key-records.ts'
import type { Answer } from '../idempotency/store.ts'
import { type OpenKey, openKey } from './open-outcomes.ts'

export interface LifeOptions {
  database: Database
  records: KeyRecords
  /** Routes that take keys, e.g. `POST /orders`. */
  scopes: readonly string[]
  /** The log of resolutions is a part of the audit trail, or it is not: then it is read too. */
  resolutionsElsewhere: boolean
}

interface AuditEntry {
  /** undefined: not a part of the chain. */
  seq: number | undefined
  at: string
  event: string
  entry: string
}

/** Enough to know an answer again; a page shows no megabytes. */
const MAX_BODY_CHARACTERS = 4_000
/** Entries of the client that are looked through, the newest first: no index knows the keys. */
const LOOKED_THROUGH = 10_000
/** That is some megabytes of a table that may lie on a busy disk. */
const DEADLINE_MS = 8_000
const MAX_ENTRIES = 200
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * Everything that is known of a key of a client, by the key itself or by the id of its order or payment. `scope`: also
 * of a route that is not one of ours, such as those of the sidecar.
 */
export async function lifeOfKey(
  options: LifeOptions,
  client: string,
  text: string,
  scope: string | undefined,
) {
  const { database, records, scopes } = options
  const key = UUID.test(text) ? ((await keyOfId(database, client, text)) ?? text) : text
  const wanted = scope === undefined || scopes.includes(scope) ? scopes : [...scopes, scope]
  const [found, orders, payments, entries, resolutions] = await Promise.all([
    Promise.all(wanted.map((one) => recordOf(records, { client, scope: one, key }))),
    ordersOf(database, client, key),
    paymentsOf(database, client, key),
    entriesOf(database, client, key),
    options.resolutionsElsewhere ? resolutionsOf(records, client, key) : [],
  ])
  const audit = [...entries, ...resolutions].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  const lookedThrough = LOOKED_THROUGH
  return { client, key, records: found.flat(), orders, payments, audit, lookedThrough }
}

async function keyOfId(database: Database, client: string, id: string): Promise<string | undefined> {
  const [row] = await database.run(
    (sql) => sql`
      SELECT idempotency_key FROM orders WHERE client = ${client} AND id = ${id}
      UNION ALL SELECT idempotency_key FROM payments WHERE client = ${client} AND id = ${id}`,
  )
  return row === undefined ? undefined : String(row.idempotency_key)
}

async function recordOf(records: KeyRecords, id: KeyRecord['id']) {
  const record = await records.show(id)
  if (record === undefined) return []
  const answer = record.state === 'completed' ? await records.answer(id) : undefined
  const { state, leaseMs, expiresMs, resolvedBy } = record
  const open: OpenKey = openKey(record)
  return [{ ...open, state, leaseMs, expiresMs, resolvedBy, answer: answer && shown(answer) }]
}

function shown({ status, headers, body }: Answer) {
  return { status, headers, bytes: body.length, body: cut(body) }
}

function cut(body: Buffer): string {
  const text = body.toString()
  return text.length > MAX_BODY_CHARACTERS ? `${text.slice(0, MAX_BODY_CHARACTERS)}…` : text
}

async function ordersOf(database: Database, client: string, key: string) {
  const rows = await database.run(
    (sql) => sql`
      SELECT id, user_id, item, trim_scale(amount)::text AS amount, created_at, answer_status, answer_body
      FROM orders WHERE client = ${client} AND idempotency_key = ${key}`,
  )
  return rows.map((row) => ({
    ...{
      id: String(row.id),
      userId: String(row.user_id),
      item: String(row.item),
      amount: String(row.amount),
    },
    ...{ createdAt: iso(row.created_at), status: Number(row.answer_status) },
    body: row.answer_body instanceof Buffer ? cut(row.answer_body) : undefined,
  }))
}

async function paymentsOf(database: Database, client: string, key: string) {
  const rows = await database.run(
    (sql) => sql`
      SELECT id, scope, state, attempt, checks, trim_scale(amount)::text AS amount, currency, user_id, description,
        payment_method, charge_id, created_at, sent_at, check_at, settled_at, answer_status, answer_body
      FROM payments WHERE client = ${client} AND idempotency_key = ${key} ORDER BY scope`,
  )
  return rows.map((row) => ({
    ...{
      id: String(row.id),
      scope: String(row.scope),
      state: String(row.state),
      attempt: Number(row.attempt),
    },
    ...{
      checks: Number(row.checks),
      amount: String(row.amount),
      currency: row.currency,
      userId: row.user_id,
    },
    ...{ description: row.description, paymentMethod: row.payment_method, chargeId: row.charge_id },
    ...{ createdAt: iso(row.created_at), sentAt: iso(row.sent_at), checkAt: iso(row.check_at) },
    ...{ settledAt: iso(row.settled_at), status: row.answer_status },
    body: row.answer_body instanceof Buffer ? cut(row.answer_body) : undefined,
  }))
}

/** Payments name it `idempotency_key`, resolutions `key`. */
async function entriesOf(database: Database, client: string, key: string): Promise<AuditEntry[]> {
  const quoted = JSON.stringify(key)
  const rows = await database.run(
    (sql) => sql`
      SELECT seq, oncekey_audit_time(at) AS at, event_type, entry FROM (
        SELECT * FROM audit_log WHERE client = ${client} ORDER BY seq DESC LIMIT ${LOOKED_THROUGH}) AS newest
      WHERE strpos(entry, ${quoted}) > 0
        AND ${key} IN (entry::json->>'idempotency_key', entry::json->>'key')
      ORDER BY seq DESC LIMIT ${MAX_ENTRIES}`,
    DEADLINE_MS,
  )
  return rows.map((row) => ({
    ...{ seq: Number(row.seq), at: String(row.at), event: String(row.event_type), entry: String(row.entry) },
  }))
}

async function resolutionsOf(records: KeyRecords, client: string, key: string): Promise<AuditEntry[]> {
  const found: AuditEntry[] = []
  for await (const resolution of records.log(client)) {
    const { at, event, client: _, ...entry } = resolution
    if (entry.key === key) found.push({ seq: undefined, at, event, entry: JSON.stringify(entry) })
    if (found.length === MAX_ENTRIES) break
  }
  return found
}

function iso(value: unknown): string | undefined {
  return value instanceof Date ? value.toISOString() : undefined
}
