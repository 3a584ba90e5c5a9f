import { type ChangeNote, changeEntry } from '../core/change-note.ts'
import { changeAudited } from '../database/audited-change.ts'
import type { Database, Sql } from '../database/database.ts'

export interface EndpointChange {
  client: string
  id: string
  /** Of an operator, for the audit trail of the client; undefined: the client changes its own endpoint. */
  note: ChangeNote | undefined
  /** The event type in the audit trail, after `webhook_endpoint.`. */
  verb: 'added' | 'rotated' | 'removed' | 'disabled' | 'replayed'
  /** The outcome that has changed something. */
  done: string
  /** More for the audit trail. Never a secret. */
  about?: Readonly<Record<string, string | number | undefined>>
}

/** Runs a function of `webhooks.sql`, and writes the entry in the audit trail in the same statement. Resolves with its outcome. */
export async function changeEndpoint(
  database: Database,
  { client, id, note, verb, done, about }: EndpointChange,
  call: (sql: Sql) => ReturnType<Sql>,
): Promise<string> {
  const entry = note === undefined ? null : changeEntry(note, { endpoint: id, ...about })
  return await changeAudited(database, { client, eventType: `webhook_endpoint.${verb}`, entry, done }, call)
}
