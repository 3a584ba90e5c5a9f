import { createHash } from 'node:crypto'

/** Partners that share the orders evenly. */
export const CLIENTS = 5_000
/** The first order was placed then, and one every so often since: ids and times follow each other as in life. */
const FIRST_MS = Date.UTC(2026, 0, 1)
const EVERY_MS = 700

/** Order number `n` of a table that was filled, as fill-postgres.ts makes it too, in SQL. */
export interface FilledOrder {
  client: string
  id: string
  key: string
  /** As it was sent. */
  body: string
  /** 64 hex digits. */
  fingerprint: string
  response: { status: number; headers: Record<string, string>; body: string }
}

export function clientOf(n: number): string {
  return `partner-${n % CLIENTS}`
}

export function filledOrder(n: number): FilledOrder {
  const digits = createHash('md5').update(String(n)).digest('hex')
  const ms = FIRST_MS + n * EVERY_MS
  const id = uuid(`${ms.toString(16).padStart(12, '0')}7${digits.slice(0, 3)}8${digits.slice(3, 18)}`)
  const key = uuid(digits)
  const fields = `"user_id":"user-${n % 97}","item":"Hardcover book, second edition, green linen, no. ${n % 1000}","amount":${(n % 1000) + 1}`
  const body = `{${fields}}`
  return {
    client: clientOf(n),
    id,
    key,
    body,
    fingerprint: sha256(`POST\n/orders\n${sha256(body)}`),
    response: {
      status: 201,
      headers: { 'Content-Type': 'application/json; charset=utf-8', Location: `/orders/${id}` },
      body: `{"order":{"id":"${id}",${fields},"idempotency_key":"${key}","created_at":"${new Date(ms).toISOString()}"}}`,
    },
  }
}

/** The same in SQL: a row for each `n` from $1 to $2, with the names of FilledOrder. */
export const FILLED_SQL = `
  SELECT n, client, id, key, body, amount, at,
    sha256(convert_to(E'POST\\n/orders\\n' || encode(sha256(convert_to(body, 'UTF8')), 'hex'), 'UTF8')) AS fingerprint,
    '{"order":{"id":"' || id || '",' || fields || ',"idempotency_key":"' || key || '","created_at":"' ||
      to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"}}' AS answer
  FROM (
    SELECT *, '{' || fields || '}' AS body, to_timestamp(ms / 1000.0) AS at,
      (lpad(to_hex(ms), 12, '0') || '7' || substr(digits, 1, 3) || '8' || substr(digits, 4, 15))::uuid AS id
    FROM (
      SELECT n, 'partner-' || n % ${CLIENTS} AS client, digits, digits::uuid::text AS key, n % 1000 + 1 AS amount,
        ${FIRST_MS}::bigint + n::bigint * ${EVERY_MS} AS ms,
        '"user_id":"user-' || n % 97 || '","item":"Hardcover book, second edition, green linen, no. ' || n % 1000 ||
          '","amount":' || n % 1000 + 1 AS fields
      FROM (SELECT n, md5(n::text) AS digits FROM generate_series($1::integer, $2::integer) AS n) AS numbered
    ) AS named
  ) AS told`

function uuid(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
