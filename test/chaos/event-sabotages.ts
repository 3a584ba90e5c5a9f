import type { Sabotage } from './sabotage.ts'

const events = { mode: 'events', store: 'redis' } as const

/** Bugs that show where events are read and sent. */
export const EVENT_SABOTAGES: Record<string, Sabotage> = {
  'event-outside-the-transaction': {
    ...events,
    what: 'the event of a payment is written after it',
    patches: [
      {
        file: 'sql/functions/payment_steps.sql',
        find: "    INSERT INTO events (client, object, type) VALUES (p.client, p.id, 'payment.' || p_state);\n",
        replace: '',
      },
      {
        file: 'internal/payments/payment-store.ts',
        find: 'return resultsByNumber(responses, items.length, (row) => row.done === true)',
        replace:
          // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program
          'const done = resultsByNumber(responses, items.length, (row) => row.done === true)\n  for (const [n, { ref, settlement }] of items.entries()) if (done[n]) await database.run((sql) => sql`INSERT INTO events (client, object, type) VALUES (${ref.client}, ${ref.id}::uuid, ${`payment.${settlement.state}`})`)\n  return done',
      },
    ],
    faults: ['postgres-terminate', 'postgres-reply-lost', 'kill-after-commit'],
    invariant: 14,
  },
  'cursor-that-skips': {
    ...events,
    what: 'a page ends at the newest transaction, not before the oldest that is open',
    patches: [
      {
        file: 'sql/functions/events.sql',
        find: 'SELECT pg_snapshot_xmin(pg_current_snapshot())',
        replace: 'SELECT pg_snapshot_xmax(pg_current_snapshot())',
      },
    ],
    faults: ['commit-late'],
    invariant: 15,
  },
  'delivery-dropped-with-its-node': {
    ...events,
    what: 'a delivery whose lease is over counts as sent',
    patches: [
      {
        file: 'sql/functions/webhooks.sql',
        find: '  RETURN QUERY\n    WITH due AS MATERIALIZED (',
        replace:
          "  UPDATE webhook_deliveries SET state = 'delivered', ended_at = t WHERE state = 'pending' AND lease_until < t;\n  RETURN QUERY\n    WITH due AS MATERIALIZED (",
      },
    ],
    faults: ['kill-while-sending'],
    invariant: 16,
  },
  'signature-over-other-bytes': {
    ...events,
    what: 'the signature of a webhook is over the body and the end of its line',
    patches: [
      {
        file: 'internal/events/webhook-secret.ts',
        find: 'webhookSignature(secrets, id, seconds, body)',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program
        replace: 'webhookSignature(secrets, id, seconds, `${body}\\n`)',
      },
    ],
    faults: ['receiver-500'],
    invariant: 18,
  },
  'later-event-first': {
    ...events,
    what: 'an event does not wait for the earlier one of its payment',
    patches: [
      {
        file: 'sql/functions/webhooks.sql',
        find: "AND o.state = 'pending' AND (o.failures = 0 OR o.lease_until > t)",
        replace: 'AND false',
      },
    ],
    faults: ['payment-unknown'],
    invariant: 19,
  },
}
