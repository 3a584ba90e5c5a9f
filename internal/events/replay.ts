import type { ChangeNote } from '../core/change-note.ts'
import type { Database } from '../database/database.ts'
import { changeEndpoint } from './change-endpoint.ts'
import { type EventName, eventId } from './event.ts'

interface EndpointPlace {
  client: string
  id: string
}

/** For operators. false: it was not enabled. */
export async function disableEndpoint(
  database: Database,
  client: string,
  id: string,
  note: ChangeNote,
): Promise<boolean> {
  const outcome = await changeEndpoint(
    database,
    { client, id, note, verb: 'disabled' },
    (sql) => sql`oncekey_webhook_disable(${client}, ${id}::uuid, 'operator')`,
  )
  return outcome === 'true'
}

/** Enables it and sends the events since then again; `since` undefined: pending ones only. false: there is no such endpoint. */
export async function replayEndpoint(
  database: Database,
  { client, id, since }: EndpointPlace & { since: Date | undefined },
  note: ChangeNote,
): Promise<boolean> {
  const about = { since: since?.toISOString() }
  const outcome = await changeEndpoint(
    database,
    { client, id, note, verb: 'replayed', about },
    (sql) => sql`oncekey_webhook_replay(${client}, ${id}::uuid, ${since ?? null}::timestamptz)`,
  )
  return outcome === 'true'
}

/** Why an event was not sent again, for an operator. */
export const REPLAY_FAULTS = {
  gone: 'the endpoint is gone',
  disabled: 'the endpoint is disabled; replay it without an event first',
  unknown: 'its client has no such event',
  other: 'the endpoint gets no events of this type',
  waiting: 'it is still to be sent to this endpoint',
} as const

/** Sends one event again. */
export async function replayEvent(
  database: Database,
  { client, id, event }: EndpointPlace & { event: EventName },
  note: ChangeNote,
): Promise<'replayed' | keyof typeof REPLAY_FAULTS> {
  const outcome = await changeEndpoint(
    database,
    { client, id, note, verb: 'replayed', done: 'replayed', about: { event: eventId(event) } },
    (sql) => sql`oncekey_webhook_replay_event(${client}, ${id}::uuid, ${event.object}::uuid, ${event.type})`,
  )
  if (outcome === 'replayed' || isFault(outcome)) return outcome
  throw new Error(`oncekey_webhook_replay_event returned ${outcome}`)
}

function isFault(text: string): text is keyof typeof REPLAY_FAULTS {
  return Object.hasOwn(REPLAY_FAULTS, text)
}
