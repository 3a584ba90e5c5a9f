import { parseArgs } from 'node:util'
import { migrate as apply } from '../../internal/database/migrate.ts'
import { readConfig } from '../config.ts'
import { SQL_DIRECTORY } from '../package-root.ts'
import { openServer } from './command-database.ts'

const HELP = `Usage: oncekey migrate

Applies the numbered files of sql/ that the database of DATABASE_URL has not seen, in order, each in a transaction.
Safe to run from many processes at once. "serve" does the same at its start; without DATABASE_URL (the embedded
database) there is nothing to do by hand.
`

export async function migrate(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const { databaseUrl } = readConfig()
  if (databaseUrl === undefined)
    throw new Error('DATABASE_URL is not set; the embedded database is migrated by serve')
  const database = await openServer(databaseUrl)
  try {
    const applied = await apply(database, SQL_DIRECTORY)
    process.stdout.write(
      applied.length === 0 ? 'nothing to apply\n' : applied.map((name) => `applied ${name}\n`).join(''),
    )
    return 0
  } finally {
    await database.close()
  }
}
