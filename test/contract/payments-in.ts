import assert from 'node:assert/strict'
import type { Database } from '../../internal/database/database.ts'
import { paymentStore } from '../../internal/payments/payment-store.ts'
import { findPayment, readKey, takeDue, takeUnknown } from '../../internal/payments/read-payments.ts'
import { type PaymentSubject, SETTLE_MS } from './payment-store.ts'

/** The payments in that database, which has the schema. */
export function paymentsIn(database: Database, close: () => Promise<void>): PaymentSubject {
  const another = () => paymentStore(database, { settleMs: SETTLE_MS })
  return {
    store: another(),
    another,
    find: (client, id) => findPayment(database, client, id),
    readKey: (of) => readKey(database, of),
    takeDue: (take) => takeDue(database, take),
    takeUnknown: (of) => takeUnknown(database, of),
    events: async (id) =>
      (await trailOf(database, id)).map(({ type, entry: { reason } }) => ({ type, reason })),
    async elapse(id, ms) {
      // In two steps: Citus computes no times in an UPDATE.
      const past = ms / 1000
      const [row] = await database.run(
        (sql) => sql`
          SELECT client, (lease_until - make_interval(secs => ${past}))::text AS lease,
            (sent_at - make_interval(secs => ${past}))::text AS sent,
            (check_at - make_interval(secs => ${past}))::text AS checked
          FROM payments WHERE id = ${id}`,
      )
      assert.ok(row)
      await database.run(
        (sql) => sql`
          UPDATE payments SET lease_until = ${row.lease}::text::timestamptz, sent_at = ${row.sent}::text::timestamptz,
            check_at = ${row.checked}::text::timestamptz
          WHERE client = ${row.client} AND id = ${id}`,
      )
    },
    close,
  }
}

/** What the audit trail has of a payment, oldest first. */
export async function trailOf(database: Database, id: string) {
  const rows = await database.run(
    (sql) => sql`
      SELECT event_type, entry FROM audit_log WHERE entry::json->>'transaction_id' = ${id} ORDER BY seq`,
  )
  return rows.map((row) => ({ type: String(row.event_type), entry: JSON.parse(String(row.entry)) }))
}
