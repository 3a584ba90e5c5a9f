import { type ChangeNote, changeEntry } from '../core/change-note.ts'
import { changeAudited } from '../database/audited-change.ts'
import type { Database, Sql } from '../database/database.ts'

export interface EndpointChange {
  client: string
  id: string
  /** Of an operator, for the audit trail of the client; undefined: a change by the client itself. */
  note: ChangeNote | undefined
  /** The event type in the audit trail, after `webhook_endpoint.`. */
  verb: 'added' | 'rotated' | 'removed' | 'disabled' | 'replayed'
  /** The outcome after which something has changed; default 'true'. */
  done?: string
  /** More for the audit trail, never a secret. */
  about?: Readonly<Record<string, string | number | undefined>>
}

/** Calls a function of `webhooks.sql` and writes the entry in the audit trail in the same statement. Resolves with the outcome. */
export async function changeEndpoint(
  database: Database,
  { client, id, note, verb, done = 'true', about }: EndpointChange,
  call: (sql: Sql) => ReturnType<Sql>,
): Promise<string> {
  const entry = note === undefined ? null : changeEntry(note, { endpoint: id, ...about })
  return await changeAudited(database, { client, eventType: `webhook_endpoint.${verb}`, entry, done }, call)
}
