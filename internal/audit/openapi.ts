import { z } from 'zod'
import type { Operation, RoomApi } from '../openapi/describe.ts'
import { cursorParameter, jsonContent, limitParameter } from '../openapi/parts.ts'
import { EVENT_TYPE } from './audit-log.ts'

const entry = z
  .looseObject({
    seq: z.int().min(1).meta({ description: '1, 2, 3, … among your entries, without a gap' }),
    at: z.iso.datetime().meta({ description: 'When it was written' }),
    event_type: z.string().regex(EVENT_TYPE),
    hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .meta({
        description:
          'SHA-256 over the bytes of the hash before it (32 zero bytes before the first) and this entry: note the newest one now and then, and what came before it cannot be changed unnoticed.',
      }),
  })
  .meta({
    description:
      'With the members of its event. New ones may come; no request body, no credential is among them.',
  })

export const auditApi: RoomApi = {
  tag: { name: 'Audit', description: 'What became of your payments. A client sees its own entries only.' },
  schemas: {
    AuditEntry: entry,
    AuditPage: z.object({
      entries: z.array(entry),
      next_cursor: z
        .string()
        .nullable()
        .meta({ description: 'The `cursor` of the next page; null on the last one' }),
    }),
  },
}

const ENTRY = {
  seq: 12,
  at: '2026-01-01T00:00:01.042Z',
  event_type: 'payment.refused',
  id: '6f8f9b0e-6c5b-4a53-9f0e-0d6f5f1f4a11',
  request_id: '3f1c1f52-6a0e-4c8e-9d5f-0c4b8f6c1a27',
  route: 'POST /api/v1/payments',
  http_status: 429,
  code: 'rate_limited',
  idempotency_key: 'payment-2026-000017',
  count: 3,
  observed_at: '2026-01-01T00:00:00.310Z',
  hash: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
}

const EVENTS = `What happened to a payment is written together with it, in one transaction: \`payment.attempted\`,
\`payment.completed\`, \`payment.declined\`, \`payment.unknown\` (the gateway did not say; it is being found out),
\`payment.recovered\` (found out), \`payment.abandoned\` (for certain nothing was sent). How other requests got a response follows within about a second:
\`payment.replayed\`, \`payment.conflict\` (409 for the key), \`payment.refused\` (no effect), \`payment.unresolved\` (an
error that leaves the effect open; the payment's own entry follows). Equal ones of that moment are one entry with a
\`count\`; \`observed_at\` is when the first of them was seen. What an operator does about you has \`operator\` and \`reason\`:
\`client.added\`, \`client.rotated\`, \`client.revoked\`, \`client.resealed\` (your secrets), \`client.limited\`, \`key.resolved\`, \`key.released\`,
\`webhook_endpoint.added\`, \`webhook_endpoint.rotated\`, \`webhook_endpoint.disabled\`, \`webhook_endpoint.replayed\`, \`webhook_endpoint.removed\`.`

export const listAuditLogsOperation: Operation = {
  summary: 'Your audit trail, newest first',
  description: `${EVENTS}\n\nEntries written while you page never move the later pages.`,
  parameters: {
    event_type: {
      in: 'query',
      name: 'event_type',
      description: 'Only entries of exactly this type.',
      schema: { type: 'string', pattern: EVENT_TYPE.source, maxLength: 64 },
      examples: { completed: 'payment.completed', conflict: 'payment.conflict' },
    },
    limit: limitParameter('entries'),
    cursor: cursorParameter({ type: 'string' }, '12'),
  },
  responses: {
    200: {
      description: 'A page.',
      content: jsonContent('AuditPage', {
        more: { summary: 'There are more', value: { entries: [ENTRY], next_cursor: '12' } },
        none: { summary: 'No entries (any more)', value: { entries: [], next_cursor: null } },
      }),
    },
  },
  problems: ['invalid_request', 'store_unavailable'],
}
