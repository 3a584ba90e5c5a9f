import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { openEmbedded } from '../../internal/database/embedded.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { createDatabase } from './servers.ts'

type Kind = 'server' | 'embedded'
/** The databases on which the contracts of the tables run. */
export const KINDS: readonly Kind[] =
  process.env.TEST_ON_SERVER_ONLY === undefined ? ['server', 'embedded'] : ['server']

export interface OpenedDatabase {
  database: Database
  close(): Promise<void>
}

export interface OpenedOnServer extends OpenedDatabase {
  url: string
}

/** A database without tables on the shared server, dropped after the test. */
export async function emptyDatabase(t: TestContext): Promise<OpenedOnServer> {
  const opened = await openOnServer()
  t.after(() => opened.close())
  return opened
}

/** The same with the schema. */
export async function migratedDatabase(t: TestContext): Promise<OpenedOnServer> {
  const opened = await emptyDatabase(t)
  await migrate(opened.database, SQL_DIRECTORY)
  return opened
}

/** An empty database with the schema, on the shared server or embedded. */
export function openMigrated(kind: 'server'): Promise<OpenedOnServer>
export function openMigrated(kind: Kind): Promise<OpenedDatabase>
export async function openMigrated(kind: Kind): Promise<OpenedDatabase> {
  const opened = kind === 'server' ? await openOnServer() : await openInDirectory()
  await migrate(opened.database, SQL_DIRECTORY)
  return opened
}

async function openOnServer(): Promise<OpenedOnServer> {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url)
  return {
    database,
    url,
    async close() {
      await database.close()
      await drop()
    },
  }
}

async function openInDirectory(): Promise<OpenedDatabase> {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-database-'))
  const database = await openEmbedded(directory)
  return {
    database,
    async close() {
      await database.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
