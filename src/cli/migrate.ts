import { parseArgs } from 'node:util'
import type { Database } from '../../internal/database/database.ts'
import { clusterNodes, distributeByClient } from '../../internal/database/distribute.ts'
import { migrate as apply } from '../../internal/database/migrate.ts'
import { partitionByClient, partitionedTables } from '../../internal/database/partition.ts'
import { resumeEvents } from '../../internal/events/event-log.ts'
import { readConfig } from '../config/config.ts'
import { SQL_DIRECTORY } from '../package-root.ts'
import { openServer } from './command-database.ts'

export const HELP = `Usage: oncekey migrate [--partition N | --distribute]

Applies the numbered files of sql/ that the database of DATABASE_URL has not seen, in order, each in a transaction, then
the functions of sql/functions/ if they have changed.
Safe to run from many processes at once. "serve" does the same at its start; without DATABASE_URL (the embedded
database) there is nothing to do by hand.

  --partition N   afterwards splits orders, payments, keys and the audit trail by client into N partitions, 2 to 1024:
                  once, for good, and never done by itself. The tables are locked until their rows are copied; running
                  services return 503 with Retry-After meanwhile. See docs/scale.md.
  --distribute    afterwards distributes orders, payments, keys, events and the audit trail by client over the workers of a
                  Citus cluster, whose coordinator DATABASE_URL names: once, for good, and never done by itself. Again after
                  an upgrade it does what is missing. See docs/scale.md.
`

export async function migrate(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { partition: { type: 'string' }, distribute: { type: 'boolean', default: false } },
  })
  const partitions = values.partition === undefined ? undefined : partitionCount(values.partition)
  if (partitions !== undefined && values.distribute)
    throw new Error('--partition and --distribute exclude each other')
  const { databaseUrl } = readConfig('migrate')
  if (databaseUrl === undefined)
    throw new Error('DATABASE_URL is not set; the embedded database is migrated by serve')
  const database = await openServer(databaseUrl)
  try {
    const applied = await apply(database, SQL_DIRECTORY)
    process.stdout.write(
      applied.length === 0 ? 'nothing to apply\n' : applied.map((name) => `applied ${name}\n`).join(''),
    )
    if (await resumeEvents(database))
      process.stdout.write('the database was restored: events go on behind its last one\n')
    if (partitions !== undefined) await partition(database, partitions)
    if (values.distribute) await distribute(database)
    return 0
  } finally {
    await database.close()
  }
}

const partitionCount = (text: string): number => {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count < 2 || count > 1_024) throw new Error('--partition must be a whole number from 2 to 1024')
  return count
}

async function partition(database: Database, partitions: number): Promise<void> {
  const before = await partitionedTables(database)
  await partitionByClient(database, SQL_DIRECTORY, partitions)
  for (const { table, partitions: count } of await partitionedTables(database)) {
    const was = before.some((one) => one.table === table) ? ' already' : ''
    process.stdout.write(`${table} has${was} ${count} partitions\n`)
  }
}

async function distribute(database: Database): Promise<void> {
  await distributeByClient(database, SQL_DIRECTORY)
  for (const { name, shards } of (await clusterNodes(database)) ?? []) {
    if (shards > 0) process.stdout.write(`${name} has ${shards} shards\n`)
  }
}
