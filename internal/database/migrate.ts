import type { Database } from './database.ts'
import { explainRefusal } from './explain-refusal.ts'
import {
  DISTRIBUTED,
  FUNCTIONS,
  type Functions,
  isNewer,
  readSchemaFiles,
  type SchemaFiles,
  UPGRADE,
} from './schema-files.ts'
import { openShards } from './shards.ts'

/** An arbitrary number, the same in every process that migrates. */
export const ADVISORY_LOCK = 7_261_083_244

/** The names of migrations with which the previous version cannot work. */
export const BREAKING = /_breaking\.sql$/

/** Long enough to build an index on a large table, or to wait for another process that does. */
const DEADLINE_MS = 600_000

/** The content of `schema_migrations`: the names of numbered files, and one row for the functions. */
interface Applied {
  names: ReadonlySet<string>
  functions: { checksum: string; version: string } | undefined
}

/**
 * Migrates the database to the state of `directory` and returns the names of what was applied: first the new numbered
 * files, in order, then `functions` if the text of a function, view or comment has changed. Each file is sent together
 * with its row of `schema_migrations` as one simple query, which PostgreSQL runs as one transaction. Concurrent processes
 * wait on an advisory lock; the row, which is inserted first, makes the slower process fail and see that the work is done.
 *
 * A database that a newer version has migrated is accepted, because migrations only add: in a rolling upgrade nodes of
 * the previous version still restart. They leave the newer functions alone. A migration that removes
 * something that the previous version uses has a name that ends in `_breaking.sql`; an older program that finds it throws
 * an Error and changes nothing.
 *
 * Sets `database.shards` if the tables are distributed.
 *
 * @throws Error for a file that fails, or a database that is too new or from before version 0.1; ServiceError
 *   `store_unavailable`.
 * @example await migrate(database, SQL_DIRECTORY)
 */
export async function migrate(database: Database, directory: string): Promise<string[]> {
  const files = readSchemaFiles(directory)
  const before = await readApplied(database)
  const breaking = newerThan(files, before).filter((name) => BREAKING.test(name))
  if (breaking.length > 0) {
    throw new Error(
      `the database is newer than this program, which cannot work with it since ${breaking.join(', ')}: ` +
        'start the version that migrated it',
    )
  }
  const done: string[] = []
  if (hasOldMigrations(before) && (await upgrade(database, files, before))) done.push(UPGRADE)
  for (const name of files.numbered) {
    if (await applyFile(database, files, name)) done.push(name)
  }
  if (await applyFunctions(database, files)) done.push(FUNCTIONS)
  noteShards(database, before)
  return done
}

/** The applied migrations that this version does not have. */
export async function newerMigrations(database: Database, directory: string): Promise<string[]> {
  return newerThan(readSchemaFiles(directory), await readApplied(database))
}

/** What `migrate` would apply. Sets `database.shards` if the tables are distributed. */
export async function pendingMigrations(database: Database, directory: string): Promise<string[]> {
  const files = readSchemaFiles(directory)
  const applied = await readApplied(database)
  noteShards(database, applied)
  const old = hasOldMigrations(applied) ? [UPGRADE] : []
  const numbered = files.numbered.filter((name) => !applied.names.has(name))
  return [...old, ...numbered, ...(wantsFunctions(files, applied) ? [FUNCTIONS] : [])]
}

function newerThan(files: SchemaFiles, applied: Applied): string[] {
  if (hasOldMigrations(applied)) return []
  const known = [UPGRADE, DISTRIBUTED, ...files.numbered]
  const unknown = [...applied.names].filter((name) => !known.includes(name))
  const newer = applied.functions !== undefined && isNewer(applied.functions.version, files.version)
  return [...unknown.sort(), ...(newer ? [FUNCTIONS] : [])]
}

const functionsFor = (files: SchemaFiles, { names }: Applied): Functions =>
  names.has(DISTRIBUTED) ? files.distributedFunctions : files.functions

function wantsFunctions(files: SchemaFiles, applied: Applied): boolean {
  const { text, checksum } = functionsFor(files, applied)
  if (text === '') return false
  if (applied.functions === undefined) return true
  return applied.functions.checksum !== checksum && newerThan(files, applied).length === 0
}

function noteShards(database: Database, { names }: Applied): void {
  if (names.has(DISTRIBUTED)) database.shards ??= openShards(database)
}

/** Whether the schema is of version 0.1 or older, by the name of its first migration. */
const hasOldMigrations = ({ names }: Applied) => names.has('001_orders.sql')

/** True: applied; false: another process has applied it. */
async function upgrade(database: Database, files: SchemaFiles, { names }: Applied): Promise<boolean> {
  if (!names.has('007_nodes.sql')) {
    throw new Error(
      `the database has the schema of a development version older than 0.1 (${[...names].sort().join(', ')}): ` +
        'run oncekey migrate of version 0.1 on it first, or use a new database',
    )
  }
  const text = `
    ALTER TABLE schema_migrations ADD COLUMN checksum text, ADD COLUMN version text;
    ${files.text(UPGRADE)}`
  return await applyText(database, UPGRADE, text, async () => !hasOldMigrations(await readApplied(database)))
}

/** True: applied; false: it was already applied. */
async function applyFile(database: Database, files: SchemaFiles, name: string): Promise<boolean> {
  const isThere = async () => (await readApplied(database)).names.has(name)
  const { names } = await readApplied(database)
  if (names.has(name)) return false
  const text = names.has(DISTRIBUTED) ? oneByOne(files.text(name)) : files.text(name)
  return await applyText(
    database,
    name,
    `${TABLE} INSERT INTO schema_migrations (name) VALUES ('${name}'); ${text}`,
    isThere,
  )
}

/**
 * For each ALTER TABLE Citus sends the text of the whole query to the shards; in a DO block each statement is sent
 * separately.
 */
const oneByOne = (text: string) => `DO $oncekey_migration$ BEGIN ${text} END $oncekey_migration$`

/** True: applied; false: these functions, or those of a newer version, were already applied. */
async function applyFunctions(database: Database, files: SchemaFiles): Promise<boolean> {
  const areThere = async () => !wantsFunctions(files, await readApplied(database))
  const applied = await readApplied(database)
  if (!wantsFunctions(files, applied)) return false
  const { text, checksum } = functionsFor(files, applied)
  // If another process has applied the same checksum meanwhile, the division by zero ends this transaction.
  const row = `
    SELECT 1 / (checksum <> '${checksum}')::integer FROM schema_migrations WHERE name = '${FUNCTIONS}';
    INSERT INTO schema_migrations (name, checksum, version) VALUES ('${FUNCTIONS}', '${checksum}', '${files.version}')
      ON CONFLICT (name) DO UPDATE
      SET checksum = EXCLUDED.checksum, version = EXCLUDED.version, applied_at = EXCLUDED.applied_at;`
  return await applyText(database, FUNCTIONS, `${TABLE} ${row} ${text}`, areThere)
}

const TABLE = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now(), checksum text, version text);`

async function applyText(
  database: Database,
  name: string,
  text: string,
  isDone: () => Promise<boolean>,
): Promise<boolean> {
  try {
    await database.run(
      (sql) => sql.unsafe(`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK}); ${text}`),
      DEADLINE_MS,
    )
    return true
  } catch (error) {
    // The row exists already: another process has applied it.
    if (await isDone()) return false
    throw new Error(`migration ${name} failed: ${explainRefusal(error)}`, { cause: error })
  }
}

async function readApplied(database: Database): Promise<Applied> {
  const [table] = await database.run(
    (sql) => sql`SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`,
  )
  if (table?.exists !== true) return { names: new Set(), functions: undefined }
  // to_jsonb, because before version 0.2 the table did not have these columns.
  const rows = await database.run(
    (sql) => sql`
      SELECT name, to_jsonb(m) ->> 'checksum' AS checksum, to_jsonb(m) ->> 'version' AS version FROM schema_migrations AS m`,
  )
  const row = rows.find(({ name }) => name === FUNCTIONS)
  return {
    names: new Set(rows.map(({ name }) => String(name)).filter((name) => name !== FUNCTIONS)),
    functions: row && { checksum: String(row.checksum), version: String(row.version) },
  }
}
