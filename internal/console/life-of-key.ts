import type { Database } from '../database/database.ts'
import type { KeyRecord, KeyRecords } from '../idempotency/key-records.ts'
import type { StoredResponse } from '../idempotency/store.ts'
import { openKey } from './open-outcomes.ts'
import type { OpenKey } from './shown.ts'

export interface LifeOptions {
  /** Where orders, payments and their audit trail are; undefined: there are none. */
  ledger: Database | undefined
  records: KeyRecords
  /** Routes that take keys, e.g. `POST /orders`; undefined: any path may, and each key of the client is looked at. */
  scopes: readonly string[] | undefined
  /** The log of resolutions is not in the audit trail. */
  resolutionsElsewhere: boolean
}

interface AuditEntry {
  /** undefined: not in the chain. */
  seq: number | undefined
  at: string
  event: string
  entry: string
}

/** Longer bodies are cut. */
const MAX_BODY_CHARACTERS = 4_000
/** Newest entries of the client that are searched: there is no index by key. */
const LOOKED_THROUGH = 10_000
/** Without a route all keys of the client are scanned, for this time at most. */
const LOOK_MS = 3_000
/** Some megabytes of a table, maybe from a busy disk. */
const DEADLINE_MS = 8_000
const MAX_ENTRIES = 200
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** All that is known of a key, or of that of the order or payment with this id. `scope`: one more route to search. */
export async function lifeOfKey(
  options: LifeOptions,
  client: string,
  text: string,
  scope: string | undefined,
) {
  const { ledger, records, scopes } = options
  const key = ledger && UUID.test(text) ? ((await keyOfId(ledger, client, text)) ?? text) : text
  const [walk, orders, payments, entries, resolutions] = await Promise.all([
    scopes === undefined && scope === undefined
      ? idsOf(records, client, key)
      : idsIn(new Set([...(scopes ?? []), ...(scope === undefined ? [] : [scope])]), client, key),
    ledger ? ordersOf(ledger, client, key) : [],
    ledger && scopes ? paymentsOf(ledger, scopes, client, key) : [],
    ledger ? entriesOf(ledger, client, key) : [],
    options.resolutionsElsewhere ? resolutionsOf(records, client, key) : [],
  ])
  const found = await Promise.all(walk.ids.map((id) => recordOf(records, id)))
  const audit = [...entries, ...resolutions].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  const { complete } = walk
  const lookedThrough = ledger ? LOOKED_THROUGH : undefined
  return { client, key, records: found.flat(), complete, orders, payments, audit, lookedThrough }
}

/** Candidates. `complete`: all keys were scanned. */
interface Ids {
  ids: KeyRecord['id'][]
  complete: boolean
}

function idsIn(scopes: ReadonlySet<string>, client: string, key: string): Ids {
  return { ids: [...scopes].map((scope) => ({ client, scope, key })), complete: true }
}

async function idsOf(records: KeyRecords, client: string, key: string): Promise<Ids> {
  const untilMs = performance.now() + LOOK_MS
  const ids = new Map<string, KeyRecord['id']>()
  for await (const { id } of records.list({ client })) {
    if (id.key === key) ids.set(id.scope, id)
    if (performance.now() > untilMs || ids.size === MAX_ENTRIES)
      return { ids: [...ids.values()], complete: false }
  }
  return { ids: [...ids.values()], complete: true }
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
  const response = record.state === 'completed' ? await records.response(id) : undefined
  const { state, leaseMs, expiresMs, resolvedBy } = record
  const open: OpenKey = openKey(record)
  return [{ ...open, state, leaseMs, expiresMs, resolvedBy, response: response && shown(response) }]
}

function shown({ status, headers, body }: StoredResponse) {
  return { status, headers, bytes: body.length, body: cut(body) }
}

function cut(body: Buffer): string {
  const text = body.toString()
  return text.length > MAX_BODY_CHARACTERS ? `${text.slice(0, MAX_BODY_CHARACTERS)}…` : text
}

async function ordersOf(database: Database, client: string, key: string) {
  const rows = await database.run(
    (sql) => sql`
      SELECT id, user_id, item, trim_scale(amount)::text AS amount, created_at, response_status, response_body
      FROM orders WHERE client = ${client} AND idempotency_key = ${key}`,
  )
  return rows.map((row) => ({
    id: String(row.id),
    userId: String(row.user_id),
    item: String(row.item),
    amount: String(row.amount),
    createdAt: iso(row.created_at),
    status: Number(row.response_status),
    body: row.response_body instanceof Buffer ? cut(row.response_body) : undefined,
  }))
}

async function paymentsOf(database: Database, scopes: readonly string[], client: string, key: string) {
  const rows = await database.run(
    (sql) => sql`
      SELECT id, scope, state, attempt, checks, trim_scale(amount)::text AS amount, currency, user_id, description,
        payment_method, charge_id, created_at, sent_at, check_at, settled_at, response_status, response_body
      FROM json_array_elements_text(${JSON.stringify(scopes)}::text::json) AS asked(route)
      CROSS JOIN LATERAL (
        SELECT * FROM payments
        WHERE client = ${client} AND payments.scope = asked.route AND idempotency_key = ${key} LIMIT 1) AS p
      ORDER BY scope`,
  )
  return rows.map((row) => ({
    id: String(row.id),
    scope: String(row.scope),
    state: String(row.state),
    attempt: Number(row.attempt),
    checks: Number(row.checks),
    amount: String(row.amount),
    currency: row.currency,
    userId: row.user_id,
    description: row.description,
    paymentMethod: row.payment_method,
    chargeId: row.charge_id,
    createdAt: iso(row.created_at),
    sentAt: iso(row.sent_at),
    checkAt: iso(row.check_at),
    settledAt: iso(row.settled_at),
    status: row.response_status,
    body: row.response_body instanceof Buffer ? cut(row.response_body) : undefined,
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
    seq: Number(row.seq),
    at: String(row.at),
    event: String(row.event_type),
    entry: String(row.entry),
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
