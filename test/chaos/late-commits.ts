import { randomBytes } from 'node:crypto'
import type postgres from 'postgres'
import { uuidV7 } from '../../internal/core/ids.ts'

const PREFIX = 'late-'

/** An order that the run itself has written, beside the service: no request belongs to it. */
export function isLateOrder({ key }: { key: string }): boolean {
  return key.startsWith(PREFIX)
}

/** Writes an order as the service does; it is there when its transaction is committed. Returns its position. */
export async function insertLateOrder(sql: postgres.TransactionSql, client: string): Promise<string> {
  const id = uuidV7(Date.now())
  const key = `${PREFIX}${randomBytes(8).toString('hex')}`
  const [row] = await sql`
    INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status, response_body,
      created_at)
    VALUES (${client}, ${id}, ${key}, sha256(''), 'user', 'item', 1, 201, ${Buffer.from('{}')}, clock_timestamp())
    RETURNING position::text`
  return String(row?.position)
}
