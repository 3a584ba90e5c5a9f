import { openDatabase } from '../../internal/database/database.ts'
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
  const database = openDatabase(url)
  try {
    await migrate(database, SQL_DIRECTORY)
  } catch (error) {
    await database.close()
    throw error
  }
  const sweeping = sweeper(database)
  return Object.assign(postgresStore(database, options), {
    async close(): Promise<void> {
      await sweeping.stop()
      await database.close()
    },
  })
}
