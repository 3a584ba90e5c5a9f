import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Database } from '../../internal/database/database.ts'

/** The eleven migrations of version 0.1 as they were, each after a line `-- file NAME`. */
const FILES = new URL('schema-0.1.sql.gz', import.meta.url)

/** Gives an empty database the schema that version 0.1 had after its first `count` migrations. */
export async function migrateAsBefore(database: Database, count: number): Promise<void> {
  const texts = gunzipSync(readFileSync(FILES))
    .toString()
    .split(/^-- file /m)
    .slice(1, count + 1)
  await database.run((sql) =>
    sql.unsafe(
      'CREATE TABLE schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
    ),
  )
  for (const text of texts) {
    const name = text.slice(0, text.indexOf('\n'))
    await database.run((sql) =>
      sql.unsafe(`INSERT INTO schema_migrations (name) VALUES ('${name}');${text.slice(text.indexOf('\n'))}`),
    )
  }
}
