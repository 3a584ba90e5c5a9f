import type { Database } from './database.ts'

/** PostgreSQL 14, as server_version_num. */
const MIN_POSTGRES = 140_000

export interface ServerVersion {
  /** As the server words it, e.g. `15.14 (Debian 15.14-0+deb12u1)`. */
  text: string
  supported: boolean
}

export async function serverVersion(database: Database): Promise<ServerVersion> {
  const [row] = await database.run(
    (sql) =>
      sql`SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number`,
  )
  return { text: String(row?.version), supported: Number(row?.number) >= MIN_POSTGRES }
}

/** Throws a plain Error for the operator if the server is too old: its statements would fail one by one later on. */
export async function requireServerVersion(database: Database): Promise<void> {
  const { text, supported } = await serverVersion(database)
  if (supported) return
  await database.close()
  throw new Error(`the database of DATABASE_URL is PostgreSQL ${text}: 14 or newer is needed`)
}
