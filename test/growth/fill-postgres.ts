import type postgres from 'postgres'
import { FILLED_SQL } from './filled-order.ts'

/** A statement of so many rows takes a few seconds: a progress line in between. */
const CHUNK = 50_000
/** Of a pool that has as many. */
const CONNECTIONS = 2
const HEADERS = `'{"Content-Type":"application/json; charset=utf-8","Location":"/orders/' || id || '"}'`

/** Orders 0 to `count` - 1, into the table as it is, with its indexes and checks. */
export async function fillOrders(sql: postgres.Sql, count: number, onDone: (done: number) => void) {
  await inChunks(
    sql,
    0,
    count,
    onDone,
    (rows) => `
    INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status, response_body,
      created_at)
    SELECT client, id, key, fingerprint, 'user-' || n % 97,
      'Hardcover book, second edition, green linen, no. ' || n % 1000, amount, 201, convert_to(answer, 'UTF8'), at
    FROM (${rows}) AS r`,
  )
}

/** A completed record for each of the orders `from` to `to` - 1, live for 1 to 24 hours, or over since a minute. */
export async function fillKeys(
  sql: postgres.Sql,
  { from, to, over = false }: { from: number; to: number; over?: boolean },
  onDone: (done: number) => void,
) {
  const lives = over ? `interval '-1 minute'` : `(3600 + n % 82800) * interval '1 second'`
  await inChunks(
    sql,
    from,
    to,
    onDone,
    (rows) => `
    INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at,
      status, headers, body)
    SELECT client, '${over ? 'POST /over' : 'POST /orders'}', key, fingerprint, 'completed', decode(md5(key), 'hex'), 1,
      now(), now() + ${lives}, 201, ${HEADERS}, convert_to(response, 'UTF8')
    FROM (${rows}) AS r`,
  )
}

async function inChunks(
  sql: postgres.Sql,
  from: number,
  to: number,
  onDone: (done: number) => void,
  insert: (rows: string) => string,
): Promise<void> {
  let next = from
  const worker = async () => {
    for (let n = next; n < to; n = next) {
      next = Math.min(n + CHUNK, to)
      await sql.unsafe(insert(FILLED_SQL), [n, Math.min(n + CHUNK, to) - 1])
      onDone(next - from)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, worker))
}
