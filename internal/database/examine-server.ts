import type { Database } from './database.ts'

/** PostgreSQL 14, as server_version_num. */
const MIN_POSTGRES = 140_000

export interface ServerExamination {
  /** As the server words it, e.g. `15.14 (Debian 15.14-0+deb12u1)`. */
  version: string
  /** What the service cannot work with: predicates for "the database ...", each with what to do. */
  faults: readonly string[]
  /** That it takes no writes, in the same form; after a failover that passes. */
  readsOnly: string | undefined
  /** What breaks a promise of the service without breaking a statement. */
  warnings: readonly string[]
}

/**
 * Asks for what the statements of the service depend on and cannot set by themselves, behind every pooler: encoding,
 * form of times, isolation, and how durable a commit is. What they can set is in the SESSION of pool.ts.
 */
export async function examineServer(database: Database): Promise<ServerExamination> {
  const [row = {}] = await database.run(
    (sql) => sql`
      SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number,
        current_setting('server_encoding') AS encoding, current_setting('datestyle') AS "dateStyle",
        current_setting('standard_conforming_strings') AS strings,
        current_setting('default_transaction_isolation') AS isolation,
        current_setting('session_replication_role') AS replication,
        current_setting('synchronous_commit') AS commits, current_setting('fsync') AS fsync,
        current_setting('full_page_writes') AS "pageWrites", current_setting('transaction_read_only') AS "readOnly",
        pg_is_in_recovery()::text AS standby, quote_ident(current_database()) AS name,
        quote_ident(current_user) AS role`,
  )
  const of = (column: string) => String(row[column])
  /** Where a setting comes from is not told to every role. */
  const reset = (name: string) =>
    `run ALTER DATABASE ${of('name')} RESET ${name}, the same for ALTER ROLE ${of('role')}, and look at postgresql.conf`
  const faults: string[] = []
  if (Number(row.number) < MIN_POSTGRES) faults.push(`is PostgreSQL ${of('version')}: 14 or newer is needed`)
  if (row.encoding !== 'UTF8') {
    faults.push(
      `has the encoding ${of('encoding')}, which cannot keep every name: create it with ENCODING 'UTF8' TEMPLATE template0, and copy the data with pg_dump`,
    )
  }
  if (!of('dateStyle').startsWith('ISO')) {
    faults.push(
      `gives times in the form ${of('dateStyle')}, though each connection asks for ISO, which a pooler may leave out: ${reset('datestyle')}`,
    )
  }
  if (row.strings !== 'on')
    faults.push(`has standard_conforming_strings = ${of('strings')}: ${reset('standard_conforming_strings')}`)
  if (row.isolation !== 'read committed') {
    faults.push(
      `has default_transaction_isolation = ${of('isolation')}, under which a claim does not see the one before it: ${reset('default_transaction_isolation')}`,
    )
  }
  if (row.replication !== 'origin') {
    faults.push(
      `has session_replication_role = ${of('replication')}, under which triggers do not fire: ${reset('session_replication_role')}`,
    )
  }
  /** No database or role can set these. */
  const resetForServer = (name: string) =>
    `run ALTER SYSTEM RESET ${name} and SELECT pg_reload_conf(), and look at postgresql.conf and the command line of the server`
  const warnings: string[] = []
  for (const [name, value, how] of [
    ['synchronous_commit', row.commits, reset],
    ['fsync', row.fsync, resetForServer],
    ['full_page_writes', row.pageWrites, resetForServer],
  ] as const) {
    if (value !== 'off') continue
    warnings.push(`has ${name} = off: a crash loses orders that were acknowledged; ${how(name)}`)
  }
  const readsOnly =
    row.standby === 'true'
      ? 'is a standby, which takes no writes: name the primary, or all hosts in a comma list'
      : row.readOnly === 'on'
        ? `has default_transaction_read_only = on, so that it takes no writes: ${reset('default_transaction_read_only')}`
        : undefined
  return { version: of('version'), faults, readsOnly, warnings }
}

/** Throws a plain Error for the operator if the service cannot work with it: its statements would fail one by one. */
export async function requireFit(database: Database): Promise<void> {
  const { faults } = await examineServer(database)
  if (faults.length === 0) return
  await database.close()
  throw new Error(`the database of DATABASE_URL ${faults.join('; it ')}`)
}
