import type { Database } from './database.ts'

/** The prefix of all Redis keys without a deployment id: without a database, and before version 0.2. */
export const PLAIN_PREFIX = 'oncekey'

/** The id of the deployment that uses this database; see sql/001_deployment.sql. Rejects like `run`. */
export async function deploymentId(database: Database): Promise<string> {
  const [row] = await database.run((sql) => sql`SELECT id FROM deployment`)
  if (typeof row?.id !== 'string')
    throw new Error('the table deployment has no row: INSERT INTO deployment DEFAULT VALUES')
  return row.id
}
