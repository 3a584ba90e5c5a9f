import type { Database, Sql } from './database.ts'

export interface AuditedChange {
  client: string
  /** E.g. `client.rotated`. */
  eventType: string
  /** The JSON of the entry; null: no entry is written. */
  entry: string | null
  /** The outcome that means that something was changed. */
  done: string
}

/**
 * Calls a function of the schema that returns its outcome as a word. If the outcome is `done`, the same statement writes
 * the entry into the audit trail of the client.
 */
export async function changeAudited(
  database: Database,
  { client, eventType, entry, done }: AuditedChange,
  call: (sql: Sql) => ReturnType<Sql>,
): Promise<string> {
  const [row] = await database.run(
    (sql) => sql`
      WITH changed AS MATERIALIZED (SELECT (${call(sql)})::text AS outcome)
      SELECT outcome, CASE WHEN outcome = ${done} AND ${entry}::text IS NOT NULL
        THEN oncekey_audit_again(${client}, ${eventType}, ${entry}::text) END AS seq
      FROM changed`,
  )
  return String(row?.outcome)
}
