import type { Database } from './database.ts'

/** PostgreSQL 14, as server_version_num. */
const MIN_POSTGRES = 140_000

export interface ServerExamination {
  /** The text of the server, e.g. `15.14 (Debian 15.14-0+deb12u1)`. */
  version: string
  /** Reasons why the service cannot use it: predicates for "the database ...", each with what to do. */
  faults: readonly string[]
  /** Why it accepts no writes, in the same form; temporary after a failover. */
  readsOnly: string | undefined
  /** Settings that break a promise of the service without an error. */
  warnings: readonly string[]
}

/**
 * Reads the settings that the service depends on and cannot set itself through every pooler: encoding, date style,
 * isolation level, durability. The settings that it can set are in SESSION of pool.ts.
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
  /** Names every possible source, because not every role may read where a setting comes from. */
  const reset = (name: string) =>
    `run ALTER DATABASE ${of('name')} RESET ${name}, the same for ALTER ROLE ${of('role')}, and check postgresql.conf`
  const faults: string[] = []
  if (Number(row.number) < MIN_POSTGRES)
    faults.push(`is PostgreSQL ${of('version')}: 14 or newer is required`)
  if (row.encoding !== 'UTF8') {
    faults.push(
      `has the encoding ${of('encoding')}, which cannot store every text: create it with ENCODING 'UTF8' TEMPLATE template0, and copy the data with pg_dump`,
    )
  }
  if (!of('dateStyle').startsWith('ISO')) {
    faults.push(
      `has DateStyle ${of('dateStyle')}; each connection requests ISO, but a pooler may not pass that on: ${reset('datestyle')}`,
    )
  }
  if (row.strings !== 'on')
    faults.push(`has standard_conforming_strings = ${of('strings')}: ${reset('standard_conforming_strings')}`)
  if (row.isolation !== 'read committed') {
    faults.push(
      `has default_transaction_isolation = ${of('isolation')}, in which a claim does not see the claim before it: ${reset('default_transaction_isolation')}`,
    )
  }
  if (row.replication !== 'origin') {
    faults.push(
      `has session_replication_role = ${of('replication')}, in which triggers do not fire: ${reset('session_replication_role')}`,
    )
  }
  /** For settings that belong to the server, not to a database or role. */
  const resetForServer = (name: string) =>
    `run ALTER SYSTEM RESET ${name} and SELECT pg_reload_conf(), and check postgresql.conf and the command line of the server`
  const warnings: string[] = []
  for (const [name, value, how] of [
    ['synchronous_commit', row.commits, reset],
    ['fsync', row.fsync, resetForServer],
    ['full_page_writes', row.pageWrites, resetForServer],
  ] as const) {
    if (value !== 'off') continue
    warnings.push(`has ${name} = off: a crash can lose acknowledged orders; ${how(name)}`)
  }
  const readsOnly =
    row.standby === 'true'
      ? 'is a standby, which accepts no writes: name the primary, or all hosts separated by commas'
      : row.readOnly === 'on'
        ? `has default_transaction_read_only = on, so it accepts no writes: ${reset('default_transaction_read_only')}`
        : undefined
  return { version: of('version'), faults, readsOnly, warnings }
}

/** Throws an Error for the operator, and closes the database, if the service cannot use it. */
export async function requireFit(database: Database): Promise<void> {
  const { faults } = await examineServer(database)
  if (faults.length === 0) return
  await database.close()
  throw new Error(`the database of DATABASE_URL ${faults.join('; it ')}`)
}
