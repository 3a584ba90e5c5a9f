import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import { z } from 'zod'
import { openDatabase } from '../../internal/database/database.ts'
import { audit as chains } from '../support/audit.ts'
import { hasCharges, type Mode } from './fault-kinds.ts'
import { type Done, type Rows, rows } from './outcome.ts'
import { sha256 } from './traffic.ts'

/** Reads the tables of the service directly. */
export async function readRows(url: string): Promise<Rows> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    const orders = await sql`
      SELECT client, idempotency_key AS key, id::text, user_id, item, amount::float8, response_status::int AS status,
        encode(sha256(response_body), 'hex') AS sha
      FROM orders`
    const payments = await sql`
      SELECT client, idempotency_key AS key, id::text, state, amount::float8, gateway_key, charge_id,
        response_status::int AS status, encode(sha256(response_body), 'hex') AS sha
      FROM payments`
    const audit = await sql`
      SELECT client, event_type AS event, entry::json->>'transaction_id' AS transaction FROM audit_log ORDER BY client, seq`
    return rows.parse({ orders, payments, audit, auditFault: await auditFault(url) })
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function auditFault(url: string): Promise<string> {
  const database = openDatabase(url)
  try {
    const broken = (await chains(database, new Map())).filter(({ fault }) => fault !== null)
    return broken.map(({ client, fault }) => `${client}: ${JSON.stringify(fault)}`).join('; ')
  } finally {
    await database.close()
  }
}

const run = z.object({
  at: z.string(),
  key: z.string().nullable(),
  method: z.string(),
  path: z.string(),
  run: z.number(),
})

/** What the far side wrote down before it responded. */
export function readLedger(file: string, mode: Mode): Done[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  if (hasCharges(mode)) {
    return lines.map((line) => {
      const [key = '', charge = '', status = ''] = line.split(' ')
      return { key, sha: undefined, charge, status }
    })
  }
  if (mode === 'orders') return []
  return lines.map((line) => {
    const { path, method, key, run: n, at } = run.parse(JSON.parse(line))
    // As the demo backend responds.
    const sha = sha256(`${JSON.stringify({ path, method, key, run: n, at })}\n`)
    return { key: key ?? '', sha, at: Date.parse(at), charge: '', status: path }
  })
}
