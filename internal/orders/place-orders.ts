import { quoted } from '../core/quoted.ts'
import { isoTime } from '../core/time.ts'
import type { Database, Sql } from '../database/database.ts'
import { batchJson } from '../database/group-commit.ts'
import type { OrderKey, Placed, Placement, Standing } from './order.ts'

export const CREATED: Placed = { outcome: 'created' }

/**
 * Decides, stores and reads in one statement. 'neither': there was no order before the statement, and this one was not
 * written: another one was committed meanwhile, or a record of the key stands in the way. What is looked up is looked up
 * row by row: a plan that is kept from when a table was small must not become a scan of it.
 */
export async function placeAll(
  database: Database,
  items: readonly Placement[],
  recordsOf: string | undefined,
  deadlineMs?: number,
): Promise<(Placed | 'neither')[]> {
  if (database.shards !== undefined) return await placeOnShard(database, items, recordsOf, deadlineMs)
  const rows = rowsOf(items)
  const count = items.length
  const [row] = await database.run(
    (sql) => sql`
      WITH asked AS MATERIALIZED (
        SELECT * FROM json_to_recordset(${rows}::text::json) AS r(client text, id uuid, key text, fingerprint text,
          user_id text, item text, amount numeric, status smallint, body text, created_at timestamptz)),
      placed AS (
        INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status,
          response_body, created_at)
        SELECT client, id, key, decode(fingerprint, 'hex'), user_id, item, amount, status,
          convert_to(body, 'UTF8'), created_at
        FROM asked ${recordsOf === undefined ? sql`` : withoutRecord(sql, recordsOf)}
        ON CONFLICT (client, idempotency_key) DO NOTHING
        RETURNING id)
      SELECT count(*)::integer AS placed,
        CASE WHEN count(*) < ${count}::integer THEN (SELECT array_agg(id)::text FROM placed) END AS ids,
        CASE WHEN count(*) < ${count}::integer THEN (
          SELECT json_agg(json_build_array(o.client, o.idempotency_key, o.id, encode(o.fingerprint, 'hex'),
            o.response_status, convert_from(o.response_body, 'UTF8')))::text
          FROM asked CROSS JOIN LATERAL (SELECT * FROM orders
            WHERE client = asked.client AND idempotency_key = asked.key LIMIT 1) AS o
        ) END AS found,
        CASE WHEN count(*) < ${count}::integer THEN ${logged(sql)} END AS logged
      FROM placed`,
    deadlineMs,
  )
  if (row === undefined) throw new Error('the statement that places orders gave no row')
  if (Number(row.placed) === count) return items.map(() => CREATED)
  const ids = String(row.ids ?? '')
  const found = parseFound(row.found)
  return items.map((item) => {
    if (ids.includes(item.order.id)) return CREATED
    const order = found.get(nameOf(item.client, item.order.key))
    if (order === undefined) return 'neither'
    if (order.id === item.order.id) return CREATED
    return standingFor(item.fingerprint, order)
  })
}

/** The same for items of one shard of a distributed database. */
async function placeOnShard(
  database: Database,
  items: readonly Placement[],
  recordsOf: string | undefined,
  deadlineMs: number | undefined,
): Promise<(Placed | 'neither')[]> {
  const { client = '' } = items[0] ?? {}
  const others = await database.run(
    (sql) => sql`SELECT * FROM oncekey_place_orders(${client}, ${rowsOf(items)}, ${recordsOf ?? null})`,
    deadlineMs,
  )
  const placed: (Placed | 'neither')[] = items.map(() => CREATED)
  for (const { n, id, fingerprint, status, body } of others) {
    const item = items[Number(n)]
    if (id === null) placed[Number(n)] = 'neither'
    else if (item !== undefined && id !== item.order.id)
      placed[Number(n)] = standingFor(item.fingerprint, orderRow(id, fingerprint, status, body))
  }
  return placed
}

function rowsOf(items: readonly Placement[]): string {
  return batchJson(
    items,
    ({ client, order }) => nameOf(client, order.key),
    ({ client, order: { id, key, userId, item, amount, createdAt }, fingerprint, response }, n) =>
      `{"n":${n},"client":${quoted(client)},"id":"${id}","key":${quoted(key)},"fingerprint":"${fingerprint}","user_id":${quoted(userId)},"item":${quoted(item)},"amount":"${amount}","status":${response.status},"body":${JSON.stringify(response.body)},"created_at":"${isoTime(createdAt.getTime())}"}`,
  )
}

const withoutRecord = (sql: Sql, scope: string) => sql`
  WHERE (SELECT true FROM idempotency_keys AS k
    WHERE k.client = asked.client AND k.scope = ${scope} AND k.key = asked.key
      AND (k.state <> 'in_progress' OR k.fingerprint <> decode(asked.fingerprint, 'hex'))
      AND (k.expires_at > now() OR (k.state = 'in_progress' AND k.lease_until > now()))) IS NULL`

/** By client and key: what the orders are that were there before. */
function parseFound(json: unknown): Map<string, OrderRow> {
  const found: unknown = typeof json === 'string' ? JSON.parse(json) : []
  if (!Array.isArray(found)) throw new Error('the orders that were found are no list')
  return new Map(
    found.map(([client, key, id, fingerprint, status, body]) => [
      nameOf(String(client), String(key)),
      orderRow(id, fingerprint, status, body),
    ]),
  )
}

/** Clients have no line breaks in their names. */
function nameOf(client: string, key: string): string {
  return `${client}\n${key}`
}

/**
 * An order that can be read may be missing on the synchronous standby: the wait for it was cut short, or the server was
 * restarted meanwhile. What is acknowledged because it was read has to be there, so that reading it is a commit of its
 * own, of nothing but a message in the log, which comes after all others and is waited for. It is one statement: two of
 * them might be run by two servers, one before a failover and one after it.
 */
const logged = (sql: Sql) => sql`
  CASE WHEN current_setting('synchronous_standby_names') <> ''
    THEN pg_logical_emit_message(true, 'oncekey', '')::text END`

/** What the key stands for; undefined: for no order. */
export async function standing(
  database: Database,
  { client, key, fingerprint }: OrderKey,
  deadlineMs?: number,
): Promise<Standing | undefined> {
  const [row] = await database.run(
    (sql) => sql`
      SELECT id, encode(fingerprint, 'hex') AS fingerprint, response_status,
        convert_from(response_body, 'UTF8') AS body, ${logged(sql)} AS logged
      FROM orders WHERE client = ${client} AND idempotency_key = ${key}`,
    deadlineMs,
  )
  if (row === undefined) return undefined
  return standingFor(fingerprint, orderRow(row.id, row.fingerprint, row.response_status, row.body))
}

/** The row of an order, as its key needs it. */
interface OrderRow {
  id: string
  /** 64 hex digits. */
  fingerprint: string
  status: number
  body: string
}

function orderRow(id: unknown, fingerprint: unknown, status: unknown, body: unknown): OrderRow {
  return { id: String(id), fingerprint: String(fingerprint), status: Number(status), body: String(body) }
}

/** What the order stands for, for the request with this fingerprint. */
function standingFor(asked: string, { id, fingerprint, status, body }: OrderRow): Standing {
  return fingerprint === asked
    ? { outcome: 'existing', id, response: { status, body } }
    : { outcome: 'mismatch', fingerprint }
}
