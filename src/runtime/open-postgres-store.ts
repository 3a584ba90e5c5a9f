import { checkText } from '../../internal/core/check-option.ts'
import { ServiceError } from '../../internal/core/service-error.ts'
import { openDatabase } from '../../internal/database/database.ts'
import { parseDatabaseUrl, whereIs } from '../../internal/database/database-url.ts'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { type PostgresStoreOptions, postgresStore } from '../../internal/idempotency/postgres-store.ts'
import type { IdempotencyStore } from '../../internal/idempotency/store.ts'
import { sweeper } from '../../internal/idempotency/sweeper.ts'
import { SQL_DIRECTORY } from '../package-root.ts'

export interface OpenPostgresStore extends IdempotencyStore {
  /** Ends the connections. */
  close(): Promise<void>
}

/**
 * The store of keys in the PostgreSQL of this URL: connects, migrates the tables, and removes expired keys in the
 * background. Any number of processes may use one database.
 *
 * @throws Error for a URL that is none, a database that cannot be reached, or one that is too new for this version.
 * @example const store = await openPostgresStore('postgres://user:password@127.0.0.1:5432/database')
 */
export async function openPostgresStore(
  url: string,
  options: PostgresStoreOptions = {},
): Promise<OpenPostgresStore> {
  checkText('url', url)
  const database = openDatabase(url)
  try {
    await migrate(database, SQL_DIRECTORY)
  } catch (error) {
    await database.close()
    throw forStart(error, url)
  }
  const sweeping = sweeper(database)
  return Object.assign(postgresStore(database, options), {
    async close(): Promise<void> {
      await sweeping.stop()
      await database.close()
    },
  })
}

/** What the service says of an outage is for its clients: the operator of the app needs the place and the cause. */
function forStart(error: unknown, url: string): unknown {
  const outage = error instanceof Error && !(error instanceof ServiceError) ? error.cause : error
  if (!(outage instanceof ServiceError) || outage.code !== 'store_unavailable') return error
  const servers = parseDatabaseUrl(url)
  const where = `${servers[0]?.database} at ${servers.map(whereIs).join(', ')}`
  return new Error(`the database ${where} cannot be used: ${explainRefusal(outage)}`, { cause: error })
}
