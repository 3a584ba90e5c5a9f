import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from './database.ts'

/** Any number: it only has to be the same in every process that migrates. */
export const ADVISORY_LOCK = 7_261_083_244

/** The name of a migration that the version before it cannot work with. */
export const BREAKING = /_breaking\.sql$/

/** Long enough to build an index on a large table and to wait for another process that does. */
const DEADLINE_MS = 600_000

/**
 * Applies the numbered files of `directory` that the database has not seen, in order, and returns their names.
 * Each file is sent with its version row as one simple query, which PostgreSQL runs as one transaction: it is
 * applied whole or not at all, and nothing can come between even if the connection is lost and replaced. Processes
 * that start at once wait for each other on an advisory lock; the version row, inserted first, tells the slower
 * one that the work is done.
 *
 * A database that a newer version has migrated is fine: in a rolling upgrade nodes of the version before restart beside
 * it, and migrations only add. One that takes away what the version before uses says so in its name, `_breaking.sql`;
 * a program that does not know it throws a plain Error and touches nothing.
 */
export async function migrate(database: Database, directory: string): Promise<string[]> {
  const files = readdirSync(directory)
    .filter((name) => /^\d{3}_\w+\.sql$/.test(name))
    .sort()
  const applied: string[] = []
  const breaking = (await newerMigrations(database, directory)).filter((name) => BREAKING.test(name))
  if (breaking.length > 0) {
    throw new Error(
      `the database is newer than this program, which cannot work with it since ${breaking.join(', ')}: ` +
        'start the version that migrated it',
    )
  }
  for (const name of files) {
    if ((await versions(database)).has(name)) continue
    try {
      const text = step(name, readFileSync(join(directory, name), 'utf8'))
      await database.run((sql) => sql.unsafe(text), DEADLINE_MS)
      applied.push(name)
    } catch (error) {
      // The version row stands in the way: another process was faster, and the file is applied.
      if ((await versions(database)).has(name)) continue
      throw new Error(`migration ${name} failed: ${String(error)}`, { cause: error })
    }
  }
  return applied
}

/** What newer versions have applied, and this one does not know. */
export async function newerMigrations(database: Database, directory: string): Promise<string[]> {
  const known = new Set(readdirSync(directory))
  return [...(await versions(database))].filter((name) => !known.has(name)).sort()
}

/** The files that the database has not seen yet. */
export async function pendingMigrations(database: Database, directory: string): Promise<string[]> {
  const seen = await versions(database)
  return readdirSync(directory)
    .filter((name) => name.endsWith('.sql') && !seen.has(name))
    .sort()
}

function step(name: string, text: string): string {
  return `
    SELECT pg_advisory_xact_lock(${ADVISORY_LOCK});
    CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
    INSERT INTO schema_migrations (name) VALUES ('${name}');
    ${text}`
}

async function versions(database: Database): Promise<Set<string>> {
  const [table] = await database.run(
    (sql) => sql`SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`,
  )
  if (table?.exists !== true) return new Set()
  const rows = await database.run((sql) => sql`SELECT name FROM schema_migrations`)
  return new Set(rows.map((row) => String(row.name)))
}
