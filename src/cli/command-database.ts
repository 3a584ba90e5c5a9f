import { type Database, openDatabase } from '../../internal/database/database.ts'
import { requireFit } from '../../internal/database/examine-server.ts'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { migrate, pendingMigrations } from '../../internal/database/migrate.ts'
import { type Config, type ConfigOf, readConfig } from '../config/config.ts'
import { SQL_DIRECTORY } from '../package-root.ts'
import { describeCause } from '../runtime/underlying-cause.ts'

/** The migrated database for a command. Throws plain Errors for the operator. `instead`: an alternative and ", or ". */
export async function openCommandDatabase(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  instead = 'CLIENTS_FILE, or ',
): Promise<Database> {
  if (config.databaseUrl === undefined) return await openOwn(config.dataDir, instead)
  const database = await openServer(config.databaseUrl)
  const pending = await pendingMigrations(database, SQL_DIRECTORY)
  if (pending.length === 0) return database
  await database.close()
  throw new Error(`the database lacks ${pending.join(', ')}: run oncekey migrate`)
}

export interface CommandContext {
  config: ConfigOf<'clients'>
  database: Database
  close(): Promise<void>
}

/** The same, with the settings of commands for clients. */
export async function openCommandContext(instead?: string): Promise<CommandContext> {
  const config = readConfig('clients')
  const database = await openCommandDatabase(config, instead)
  return { config, database, close: () => database.close() }
}

/** Throws a plain Error if it does not respond or is unfit. */
export async function openServer(url: string): Promise<Database> {
  const database = openDatabase(url, { maxConnections: 1 })
  try {
    await database.ping()
  } catch (error) {
    await database.close()
    throw new Error(`the database of DATABASE_URL cannot be used: ${explainRefusal(error)}`)
  }
  await requireFit(database)
  return database
}

async function openOwn(dataDir: string, instead: string): Promise<Database> {
  const { openEmbedded } = await import('../../internal/database/embedded.ts')
  try {
    const database = await openEmbedded(dataDir, {
      onProgress: (text) => void process.stderr.write(`oncekey: ${text}\n`),
    })
    await migrate(database, SQL_DIRECTORY)
    return database
  } catch (error) {
    const [inUse] = /^the data directory .* is in use by process [^;]*/.exec(describeCause(error)) ?? []
    if (inUse === undefined) throw error
    throw new Error(
      `${inUse}; the embedded database is for one process: stop that process for as long as this command takes, ` +
        `or use ${instead}a PostgreSQL server with DATABASE_URL`,
    )
  }
}
