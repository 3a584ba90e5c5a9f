import type { TestContext } from 'node:test'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { createDatabase } from './servers.ts'

/** A database without tables, on the shared server, until the test ends. */
export async function emptyDatabase(t: TestContext): Promise<{ url: string; database: Database }> {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url)
  t.after(async () => {
    await database.close()
    await drop()
  })
  return { url, database }
}

/** The same with the schema. */
export async function migratedDatabase(t: TestContext): Promise<{ url: string; database: Database }> {
  const opened = await emptyDatabase(t)
  await migrate(opened.database, SQL_DIRECTORY)
  return opened
}
