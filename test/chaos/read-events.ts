import postgres from 'postgres'
import { type EventRows, eventRows } from './event-records.ts'

/** Reads the tables of events and webhooks directly; events in the order in which readers have them. */
export async function readEventRows(url: string): Promise<EventRows> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    const events = await sql`
      SELECT client, object::text, type, (extract(epoch FROM at) * 1000)::float8 AS at, endpoint::text FROM (
        SELECT client, position, id, 'order.created', created_at, NULL::uuid FROM orders WHERE position IS NOT NULL
        UNION ALL SELECT client, position, object, type, at, endpoint FROM events
      ) AS found(client, position, object, type, at, endpoint) ORDER BY client, position, object`
    const endpoints = await sql`SELECT client, id::text, state FROM webhook_endpoints`
    const deliveries = await sql`
      SELECT endpoint::text, object::text, type, state, attempts, failures, error FROM webhook_deliveries`
    return eventRows.parse({ events: [...events], endpoints: [...endpoints], deliveries: [...deliveries] })
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** How many deliveries have no end yet; -1: an endpoint that is enabled has events without one. */
export async function openDeliveries(url: string): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    const [row] = await sql`
      SELECT CASE WHEN EXISTS (
          SELECT FROM webhook_endpoints AS e CROSS JOIN LATERAL oncekey_events_after(e.client, e.position, e.object, NULL, 1)
            WHERE e.state = 'enabled') THEN -1
        ELSE (SELECT count(*)::integer FROM webhook_deliveries WHERE state = 'pending') END AS open`
    return Number(row?.open)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
