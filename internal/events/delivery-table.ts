import type { Database } from '../database/database.ts'
import { knownWord } from '../database/known-word.ts'
import type { Event } from './event.ts'
import { parseEvent } from './event-log.ts'

/** A delivery that this node has taken to send. */
export interface TakenDelivery {
  client: string
  endpoint: string
  event: Event
  /** Fencing: the result of an older attempt is not recorded. */
  attempt: number
  /** Attempts that failed before this one. */
  failures: number
}

export interface AttemptResult {
  delivered: boolean
  status: number | undefined
  response: string | undefined
  error: string | undefined
  /** Until the next attempt; undefined: there is none. */
  nextMs: number | undefined
  /** 410: the endpoint wants no more events. */
  gone: boolean
}

const SETTLED = ['stale', 'delivered', 'retry', 'failed', 'disabled'] as const
export type Settled = (typeof SETTLED)[number]

/** Events of one endpoint that are looked at in one transaction. */
const FAN_OUT = 100
/** Open deliveries of one endpoint: later events wait, so that an unreachable endpoint does not fill the table. */
const MAX_OPEN = 1_000
/** Concurrent deliveries to one endpoint from one node. */
const EACH = 4

/** Makes the deliveries of new events. true: there may be more of them at once. */
export async function fanOut(database: Database): Promise<boolean> {
  const [row] = await database.run(
    (sql) => sql`SELECT oncekey_webhook_fan_out(${FAN_OUT}::integer, ${MAX_OPEN}::integer) AS unfinished`,
  )
  return Number(row?.unfinished) > 0
}

export async function takeDeliveries(
  database: Database,
  { busy, limit, leaseMs }: { busy: readonly string[]; limit: number; leaseMs: number },
): Promise<TakenDelivery[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT client, endpoint, object, type, position::text, at, attempts, failures
      FROM oncekey_webhook_take(${busy.join(',')}, ${EACH}::integer, ${limit}::integer, ${leaseMs}::integer)
      ORDER BY position`,
  )
  return rows.map((row) => ({
    client: String(row.client),
    endpoint: String(row.endpoint),
    event: parseEvent(row),
    attempt: Number(row.attempts),
    failures: Number(row.failures),
  }))
}

export async function settleDelivery(
  database: Database,
  { client, endpoint, event, attempt }: TakenDelivery,
  { delivered, status, response, error, nextMs, gone }: AttemptResult,
  giveUpMs: number,
): Promise<Settled> {
  const [row] = await database.run(
    (sql) => sql`
      SELECT oncekey_webhook_settle(${client}, ${endpoint}::uuid, ${event.object}::uuid, ${event.type}, ${attempt}::integer,
        ${delivered}::boolean, ${status ?? null}::smallint, ${response ?? null}::text, ${error ?? null}::text,
        ${nextMs === undefined ? null : Math.round(nextMs)}::bigint, ${gone}::boolean, ${giveUpMs}::bigint) AS outcome`,
  )
  return knownWord(row?.outcome, SETTLED)
}

/**
 * By endpoint: how many deliveries are to be sent, and how many have failed. Each state has an index, so that what was
 * delivered within 30 days is not read.
 */
export async function countOpenAndFailed(
  database: Database,
  client: string | undefined,
): Promise<Map<string, { pending: number; failed: number }>> {
  const rows = await database.run(
    (sql) => sql`
      SELECT id::text,
        (SELECT count(*) FROM webhook_deliveries AS d
          WHERE d.client = e.client AND d.endpoint = e.id AND d.state = 'pending')::integer AS pending,
        (SELECT count(*) FROM webhook_deliveries AS d
          WHERE d.client = e.client AND d.endpoint = e.id AND d.state = 'failed')::integer AS failed
      FROM webhook_endpoints AS e ${client === undefined ? sql`` : sql`WHERE client = ${client}`}`,
  )
  return new Map(
    rows.map(({ id, pending, failed }) => [String(id), { pending: Number(pending), failed: Number(failed) }]),
  )
}

/** Of an event that is not there any more. */
export async function dropDelivery(
  database: Database,
  { client, endpoint, event, attempt }: TakenDelivery,
): Promise<void> {
  await database.run(
    (sql) => sql`
      DELETE FROM webhook_deliveries WHERE client = ${client} AND endpoint = ${endpoint}::uuid
        AND object = ${event.object}::uuid AND type = ${event.type} AND attempts = ${attempt}::integer`,
  )
}

/** Deletes deliveries that ended `keepMs` ago, and secrets that are over; returns how many deliveries. */
export async function sweepDeliveries(database: Database, keepMs: number, limit: number): Promise<number> {
  const [row] = await database.run(
    (sql) => sql`SELECT oncekey_webhook_sweep(${keepMs}::bigint, ${limit}::integer) AS removed`,
  )
  return Number(row?.removed)
}
