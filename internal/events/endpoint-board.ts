import type { Database } from '../database/database.ts'
import { EVENT_TYPES, eventId } from './event.ts'

/** An endpoint as an operator sees it. */
export interface EndpointRow {
  client: string
  id: string
  url: string
  state: 'enabled' | 'disabled'
  /** Why it is disabled. */
  reason: string | undefined
  failingMs: number | undefined
  /** Since the last successful attempt. */
  deliveredMs: number | undefined
  failedMs: number | undefined
  /** Pending deliveries, and those that failed in the last 30 days; 1,000 at most. */
  open: number
  failed: number
}

export interface DeliveryRow {
  event: string
  type: string
  at: string
  state: 'pending' | 'delivered' | 'failed'
  attempts: number
  status: number | undefined
  /** The first characters of the response. */
  response: string | undefined
  error: string | undefined
  /** Until the next attempt. */
  nextMs: number | undefined
  /** A node is sending it. */
  sending: boolean
  endedMs: number | undefined
}

const MAX_ENDPOINTS_SHOWN = 200
const MAX_COUNT = 1_000
const MAX_DELIVERIES_SHOWN = 50

/** Failing endpoints first. `client`: only its endpoints. `complete` false: there are more. */
export async function endpointBoard(
  database: Database,
  client: string | undefined,
): Promise<{ endpoints: EndpointRow[]; complete: boolean }> {
  const rows = await database.run(
    (sql) => sql`
      SELECT client, id::text, url, state, reason,
        extract(epoch FROM clock_timestamp() - failing_since) * 1000 AS failing_ms,
        extract(epoch FROM clock_timestamp() - delivered_at) * 1000 AS delivered_ms,
        extract(epoch FROM clock_timestamp() - failed_at) * 1000 AS failed_ms,
        (SELECT count(*) FROM (SELECT FROM webhook_deliveries AS d
          WHERE d.client = e.client AND d.endpoint = e.id AND d.state = 'pending' LIMIT ${MAX_COUNT}::integer) AS o)::integer AS open,
        (SELECT count(*) FROM (SELECT FROM webhook_deliveries AS d
          WHERE d.client = e.client AND d.endpoint = e.id AND d.state = 'failed' LIMIT ${MAX_COUNT}::integer) AS o)::integer AS failed
      FROM webhook_endpoints AS e ${client === undefined ? sql`` : sql`WHERE client = ${client}`}
      ORDER BY failing_since IS NULL, client, id LIMIT ${MAX_ENDPOINTS_SHOWN + 1}::integer`,
  )
  const endpoints = rows.slice(0, MAX_ENDPOINTS_SHOWN).map((row) => ({
    client: String(row.client),
    id: String(row.id),
    url: String(row.url),
    state: row.state === 'enabled' ? ('enabled' as const) : ('disabled' as const),
    reason: row.reason === null ? undefined : String(row.reason),
    failingMs: ms(row.failing_ms),
    deliveredMs: ms(row.delivered_ms),
    failedMs: ms(row.failed_ms),
    open: Number(row.open),
    failed: Number(row.failed),
  }))
  return { endpoints, complete: rows.length <= MAX_ENDPOINTS_SHOWN }
}

/** The newest, pending and last failed deliveries of an endpoint. The primary key finds the newest: ids grow with time. */
export async function deliveryBoard(database: Database, client: string, id: string): Promise<DeliveryRow[]> {
  const rows = await database.run(
    (sql) => sql`
      WITH own AS (
        (SELECT * FROM webhook_deliveries WHERE client = ${client} AND endpoint = ${id}::uuid
          ORDER BY object DESC, type DESC LIMIT ${MAX_DELIVERIES_SHOWN}::integer)
        UNION (SELECT * FROM webhook_deliveries WHERE client = ${client} AND endpoint = ${id}::uuid AND state = 'pending'
          ORDER BY next_at LIMIT ${MAX_DELIVERIES_SHOWN}::integer)
        UNION (SELECT * FROM webhook_deliveries WHERE client = ${client} AND endpoint = ${id}::uuid AND state = 'failed'
          ORDER BY ended_at DESC LIMIT ${MAX_DELIVERIES_SHOWN}::integer))
      SELECT object::text, type, at, state, attempts, status, response, error,
        coalesce(lease_until > clock_timestamp(), false) AS sending,
        greatest(0, extract(epoch FROM next_at - clock_timestamp()) * 1000) AS next_ms,
        extract(epoch FROM clock_timestamp() - ended_at) * 1000 AS ended_ms
      FROM own ORDER BY at DESC, position DESC`,
  )
  return rows.flatMap((row) => {
    const type = EVENT_TYPES.find((one) => one === row.type)
    if (type === undefined || !(row.at instanceof Date)) return []
    const state = row.state === 'pending' || row.state === 'failed' ? row.state : 'delivered'
    return {
      event: eventId({ object: String(row.object), type }),
      type,
      at: row.at.toISOString(),
      state,
      attempts: Number(row.attempts),
      sending: row.sending === true,
      status: row.status === null ? undefined : Number(row.status),
      response: row.response === null ? undefined : String(row.response),
      error: row.error === null ? undefined : String(row.error),
      nextMs: state === 'pending' ? ms(row.next_ms) : undefined,
      endedMs: ms(row.ended_ms),
    }
  })
}

function ms(value: unknown): number | undefined {
  return value === null ? undefined : Math.max(0, Math.round(Number(value)))
}
