import type { Database } from '../database/database.ts'
import { explainRefusal } from '../database/explain-refusal.ts'
import { knownWord } from '../database/known-word.ts'
import { EVENT_TYPES, type Event, type EventPlace, type EventType } from './event.ts'

export interface EventPage {
  after: EventPlace | undefined
  type: EventType | undefined
  limit: number
}

/** It reads the index of orders by position once. */
const RESUME_DEADLINE_MS = 60_000

const START: EventPlace = { position: '0', object: '00000000-0000-0000-0000-000000000000' }

/**
 * The events of a client after a place, oldest first, but only those before the oldest open transaction of the server:
 * none can be committed later at a place that a reader has passed.
 */
export async function readEvents(
  database: Database,
  client: string,
  { after = START, type, limit }: EventPage,
): Promise<Event[]> {
  const found = await database.run(
    (sql) => sql`
      SELECT place::text AS position, about AS object, kind AS type, happened AS at FROM oncekey_events_after(
        ${client}, ${after.position}::text::bigint, ${after.object}::uuid, ${type ?? null}::text, ${limit}::integer)`,
  )
  return found.map(parseEvent)
}

/** After the last event of the client that can be read now. */
export async function lastPlace(database: Database, client: string): Promise<EventPlace> {
  const [row] = await database.run((sql) => sql`SELECT oncekey_events_end(${client})::text AS position`)
  return { position: String(row?.position), object: 'ffffffff-ffff-ffff-ffff-ffffffffffff' }
}

/**
 * To be called at the start: after a restore from a dump the transaction ids begin again, and positions must not. Returns
 * true if the positions were moved. Rejects with a plain Error if they must be and the role does not own the tables.
 */
export async function resumeEvents(database: Database): Promise<boolean> {
  try {
    const [row] = await database.run(
      (sql) => sql`SELECT oncekey_events_resume() AS resumed`,
      RESUME_DEADLINE_MS,
    )
    return row?.resumed === true
  } catch (error) {
    const how = 'after a restore from a dump run "oncekey migrate" as the owner of the tables'
    throw new Error(`events cannot go on in this database: ${explainRefusal(error)}; ${how}`, {
      cause: error,
    })
  }
}

export function parseEvent(row: Record<string, unknown>): Event {
  if (!(row.at instanceof Date)) throw new Error('an event without a time')
  const type = knownWord(row.type, EVENT_TYPES)
  return { position: String(row.position), object: String(row.object), type, at: row.at }
}
