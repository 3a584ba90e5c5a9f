import type { Database } from './database.ts'

/**
 * The rights that the service and the commands need on each table and view. docs/engines.md has them as GRANTs; a test
 * compares both with the rights that are really needed. SELECT ... FOR UPDATE needs UPDATE.
 */
export const SERVICE_RIGHTS: readonly { rights: readonly string[]; relations: readonly string[] }[] = [
  { rights: ['SELECT', 'INSERT'], relations: ['orders', 'audit_log', 'events'] },
  {
    rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
    relations: [
      'payments',
      'idempotency_keys',
      'nodes',
      'webhook_endpoints',
      'webhook_secrets',
      'webhook_deliveries',
    ],
  },
  { rights: ['SELECT', 'INSERT', 'UPDATE'], relations: ['clients', 'client_secrets', 'audit_heads'] },
  { rights: ['SELECT', 'UPDATE'], relations: ['clients_version'] },
  { rights: ['SELECT'], relations: ['deployment', 'events_shift', 'oncekey_keys', 'schema_migrations'] },
]

/**
 * The statements that give the role of this connection its missing rights; empty if none is missing. Rejects like
 * `run`.
 */
export async function missingRights(database: Database): Promise<string[]> {
  return [...(await missingGrants(database)), ...(await hiddenRows(database))]
}

async function missingGrants(database: Database): Promise<string[]> {
  const wanted = SERVICE_RIGHTS.flatMap(({ rights, relations }) =>
    relations.flatMap((relation) => rights.map((name) => ({ relation, name }))),
  )
  const rows = await database.run(
    (sql) => sql`
      SELECT format('GRANT %s ON %s TO %I', string_agg(w.name, ', ' ORDER BY w.n), w.relation, current_user) AS statement
      FROM ROWS FROM (json_to_recordset(${JSON.stringify(wanted)}::text::json) AS (relation text, name text))
        WITH ORDINALITY AS w(relation, name, n)
      WHERE has_table_privilege(to_regclass(w.relation), w.name) IS NOT TRUE
      GROUP BY w.relation ORDER BY min(w.n)`,
  )
  return rows.map((row) => String(row.statement))
}

/** Row level security silently hides rows from roles other than the owner, unless a policy allows all rows. */
async function hiddenRows(database: Database): Promise<string[]> {
  const relations = SERVICE_RIGHTS.flatMap((one) => one.relations)
  const rows = await database.run(
    (sql) => sql`
      SELECT format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', w.relation) AS statement
      FROM json_array_elements_text(${JSON.stringify(relations)}::text::json) WITH ORDINALITY AS w(relation, n)
      WHERE row_security_active(to_regclass(w.relation)) AND NOT coalesce((
        SELECT bool_and(p.polpermissive) AND bool_or(p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid) = 'true'
          AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true')
        FROM pg_policy p WHERE p.polrelid = to_regclass(w.relation)
          AND EXISTS (SELECT FROM unnest(p.polroles) AS r WHERE r = 0 OR pg_has_role(r, 'USAGE'))), false)
      ORDER BY w.n`,
  )
  return rows.map((row) => String(row.statement))
}
