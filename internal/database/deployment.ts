import type { Database } from './database.ts'

/** What all names in Redis begin with where there is no database to tell deployments apart, and before version 0.2. */
export const PLAIN_PREFIX = 'oncekey'

/** The id of the deployment whose truth this database is: see sql/001_deployment.sql. Rejects as `run` does. */
export async function deploymentId(database: Database): Promise<string> {
  const [row] = await database.run((sql) => sql`SELECT id FROM deployment`)
  if (typeof row?.id !== 'string')
    throw new Error('the table deployment has no row: INSERT INTO deployment DEFAULT VALUES')
  return row.id
}
