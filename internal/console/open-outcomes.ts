import { createHash } from 'node:crypto'
import { type KeptLook, keptLook } from '../core/kept-look.ts'
import type { Database } from '../database/database.ts'
import type { KeyRecord, KeyRecords } from '../idempotency/key-records.ts'
import type { OpenKey, OpenOutcomes, OpenPayment } from './shown.ts'

/** In Redis a look scans all keys: it ends after this time. */
const LOOK_MS = 3_000
/** The result is kept KEEP_TIMES as long as the look took, and at least MIN_KEEP_MS. */
const KEEP_TIMES = 5
const MIN_KEEP_MS = 1_000
const MAX_KEYS = 100
const MAX_PAYMENTS = 100

/** What waits for an operator; concurrent callers share one look. `ledger`: the database of payments, if there are any. */
export function openOutcomes(ledger: Database | undefined, records: KeyRecords): KeptLook<OpenOutcomes> {
  return keptLook(() => lookAtAll(ledger, records), KEEP_TIMES, MIN_KEEP_MS)
}

async function lookAtAll(ledger: Database | undefined, records: KeyRecords): Promise<OpenOutcomes> {
  const [keys, payments] = await Promise.all([openKeys(records), ledger ? openPayments(ledger) : []])
  return { ...keys, payments }
}

async function openKeys(records: KeyRecords): Promise<Pick<OpenOutcomes, 'keys' | 'complete'>> {
  const untilMs = performance.now() + LOOK_MS
  const keys: OpenKey[] = []
  for await (const record of records.list({ state: 'unknown' })) {
    if (keys.length === MAX_KEYS || performance.now() > untilMs) return { keys, complete: false }
    keys.push(openKey(record))
  }
  return { keys, complete: true }
}

export function openKey(record: KeyRecord): OpenKey {
  const { id, attempt, reason, sinceMs } = record
  return { ...id, attempt, reason, sinceMs, seen: seenOf(record) }
}

/** A hash, since `held` is a token that can complete the key. */
export function seenOf({ held, state }: Pick<KeyRecord, 'held' | 'state'>): string {
  return createHash('sha256').update(`${state}\n${held}`).digest('base64url').slice(0, 22)
}

async function openPayments(database: Database): Promise<OpenPayment[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT client, id, scope, idempotency_key, state, attempt, checks, trim_scale(amount)::text AS amount, currency,
        greatest(0, extract(epoch FROM now() - created_at) * 1000)::float8 AS age_ms
      FROM payments WHERE check_at IS NOT NULL AND (state = 'unknown' OR lease_until < now())
      ORDER BY check_at LIMIT ${MAX_PAYMENTS}`,
  )
  return rows.map((row) => ({
    client: String(row.client),
    id: String(row.id),
    scope: String(row.scope),
    key: String(row.idempotency_key),
    state: row.state === 'unknown' ? 'unknown' : 'processing',
    attempt: Number(row.attempt),
    checks: Number(row.checks),
    amount: String(row.amount),
    currency: row.currency === null ? undefined : String(row.currency),
    ageMs: Math.round(Number(row.age_ms)),
  }))
}
